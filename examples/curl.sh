#!/bin/sh
# Prints the metadata of a URL as JSON: sh curl.sh URL
set -eu

curl --silent --show-error --fail-with-body --get "${ORACLE:-http://127.0.0.1:8080}/metadata" \
  ${TOKEN:+--header "Authorization: Bearer $TOKEN"} \
  --data-urlencode "url=$1"
