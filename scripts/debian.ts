import { execFile, spawnSync } from "node:child_process";
import { chmodSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";

/** Debian's package scripts run this before they start a service; exit code 101 forbids the start. */
const startPolicy = "/usr/sbin/policy-rc.d";

/**
 * Installs the missing packages with apt-get and prints their names. Does not start their services.
 *
 * @throws Error with the missing packages if this is not Debian or not root; Error if apt-get fails
 */
export function ensureDebianPackages(names: readonly string[]): void {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const list = missing.join(" ");
  if (!existsSync("/usr/bin/apt-get") || process.getuid?.() !== 0) {
    throw new Error(`Missing packages: ${list}. On Debian: apt-get install ${list} (automatic if run as root)`);
  }
  console.log(`Installing ${list} with apt-get`);
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

/** Creates a minimal Debian file system in a folder that does not exist yet. Takes half a minute; needs root. */
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
