"""Prints the metadata of URLs, one line each, as soon as each is known: python3 python.py URL..."""

import json
import os
import sys
import urllib.request

request = urllib.request.Request(
    os.environ.get("ORACLE", "http://127.0.0.1:8080") + "/metadata/batch",
    data=json.dumps({"urls": sys.argv[1:], "deadlineMs": 5000}).encode(),
    headers={"Content-Type": "application/json", "Accept": "application/x-ndjson"},
)
if "TOKEN" in os.environ:
    request.add_header("Authorization", "Bearer " + os.environ["TOKEN"])

failed = False
with urllib.request.urlopen(request) as response:
    for line in response:
        item = json.loads(line)
        if "metadata" in item:
            metadata = item["metadata"]
            print("{type}, {bytes} bytes, {width} x {height}, {blurhash}".format(**metadata))
        else:
            failed = True
            print(item["url"], item["problem"]["title"], file=sys.stderr)
sys.exit(1 if failed else 0)
