/** Installs the Debian packages that the whole suite needs, where that is possible, then runs every check. */
import { ensureDebianPackages } from "./debian.ts";

ensureDebianPackages([
  ...["prosody", "lua-check", "lua-busted", "lua-unbound", "libxml2-utils", "openssl", "redis-server", "ffmpeg"],
  ...["chromium", "bash", "fish", "zsh"], // the page, and the completion of commands
  "prometheus", // alerts and the dashboard: they are tried by Prometheus itself
  ...["curl", "python3", "lua5.4", "lua-socket"], // the examples
  ...["nginx-light", "systemd"], // what operators run
]);
await import("./check.ts");
