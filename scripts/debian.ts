import { execFile, spawnSync } from "node:child_process";
import { chmodSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";

/** Asked by Debian's packages before they start what they installed; 101 forbids it. */
const startPolicy = "/usr/sbin/policy-rc.d";

/**
 * Installs those of the packages that are missing, and says so; their services are not started.
 *
 * @throws Error that names what to install, where this is not Debian or not root, or apt-get fails
 */
export function ensureDebianPackages(names: readonly string[]): void {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const wanted = missing.join(" ");
  if (!existsSync("/usr/bin/apt-get") || process.getuid?.() !== 0) {
    throw new Error(`Missing here: ${wanted}. On Debian: apt-get install ${wanted} (as root this happens by itself)`);
  }
  console.log(`Installing ${wanted} with apt-get`);
  const ownPolicy = !existsSync(startPolicy);
  if (ownPolicy) {
    writeFileSync(startPolicy, "#!/bin/sh\nexit 101\n");
    chmodSync(startPolicy, 0o755);
  }
  try {
    aptGet("update", "-qq");
    aptGet("install", "-qq", "-y", "--no-install-recommends", ...missing);
  } finally {
    if (ownPolicy) rmSync(startPolicy, { force: true });
  }
}

/** Makes the files of a small Debian in a folder that does not exist yet: half a minute, as root. */
export async function makeDebian(suite: "bookworm" | "trixie", folder: string): Promise<void> {
  await promisify(execFile)("debootstrap", ["--variant=minbase", suite, folder, "http://deb.debian.org/debian"], {
    maxBuffer: 64 * 1024 * 1024,
  });
}

function isInstalled(name: string): boolean {
  const { status, stdout } = spawnSync("dpkg", ["-s", name], { encoding: "utf8" });
  return status === 0 && stdout.includes("Status: install ok installed");
}

function aptGet(...args: string[]): void {
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const { status } = spawnSync("apt-get", args, { env: environment, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error(`apt-get ${args.join(" ")} failed`);
}
