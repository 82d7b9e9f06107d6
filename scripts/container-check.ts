/** Builds both images on replacements for their base images, and tests them. Takes minutes; needs root on Debian. */
import { spawnSync } from "node:child_process";
import { containersNeed } from "../test/support/container.ts";
import { ensureDebianPackages } from "./debian.ts";

ensureDebianPackages(["podman", "runc", "debootstrap", "ffmpeg"]);
const missing = containersNeed();
if (missing === null) {
  const { status } = spawnSync("npx", ["vitest", "run", "--project=slow", "test/slow/container.test.ts"], {
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
} else {
  console.log(`Skipped: containers need ${missing}, which is not available here`);
}
