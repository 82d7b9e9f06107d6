/** Installs the Debian packages that the whole suite needs, where that is possible, then runs every check. */
import { ensureDebianPackages } from "./debian.ts";

ensureDebianPackages([
  "prosody",
  "lua-check",
  "lua-busted",
  "lua-unbound",
  "libxml2-utils",
  "openssl",
  "redis-server",
  "ffmpeg",
]);
await import("./check.ts");
