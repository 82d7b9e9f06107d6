-- A chat server for trying out the module, on this machine only: host "localhost" with rooms that add metadata.
-- Accounts: docker compose exec prosody prosodyctl register alice localhost PASSWORD

data_path = "/var/lib/prosody"
plugin_paths = { "/usr/local/lib/prosody-modules" }
log = { info = "*console" }

-- No TLS: compose.yaml publishes the port on loopback only.
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
modules_disabled = { "s2s" }
modules_enabled = {
	"roster"; "saslauth"; "disco"; "carbons"; "pep"; "private"; "blocklist"; "vcard4"; "vcard_legacy";
	"version"; "uptime"; "time"; "ping"; "mam"; "smacks"; "csi_simple"; "admin_shell";
}
storage = "internal"
authentication = "internal_hashed"

VirtualHost "localhost"

Component "rooms.localhost" "muc"
	modules_enabled = { "muc_mam", "muc_media_metadata" }
	muc_media_metadata_url = "http://oracle:8080/metadata"
