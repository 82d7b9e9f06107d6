/** Installs the Debian packages that the whole suite needs, then runs every check. */
import { ensureDebianPackages } from "./debian.ts";

ensureDebianPackages([
  ...["prosody", "lua-check", "lua-busted", "lua-unbound", "libxml2-utils", "openssl", "redis-server", "ffmpeg"],
  "lua-dbi-sqlite3", // archives in SQL
  ...["chromium", "bash", "fish", "zsh"], // the page, and shell completion
  "prometheus", // Prometheus itself tests the alerts and the dashboard
  ...["curl", "python3", "lua5.4", "lua-socket"], // the examples
  ...["nginx-light", "caddy", "systemd"], // the files in deploy/
]);
await import("./check.ts");
