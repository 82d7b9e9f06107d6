/** Builds both images on stand-ins for the ones that they begin with, and tries them: minutes, as root on Debian. */
import { spawnSync } from "node:child_process";
import { containersNeed } from "../test/support/container.ts";
import { ensureDebianPackages } from "./debian.ts";

ensureDebianPackages(["podman", "runc", "debootstrap", "ffmpeg"]);
const needed = containersNeed();
if (needed === null) {
  const { status } = spawnSync("npx", ["vitest", "run", "--project=slow", "test/slow/container.test.ts"], {
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
} else {
  console.log(`Skipped: containers need ${needed}, which is not to be had here`);
}
