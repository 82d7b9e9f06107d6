import { execFile, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeDebian } from "../../scripts/debian.ts";

const packages = ["prosody", "lua-unbound", "python3-slixmpp"];

/** Kept from one run to the next: it takes minutes to make. */
const root = join(tmpdir(), "media-oracle-debian-13");

/** Whether this machine can make the files of a Debian of its own: that takes root, and a package. */
export function canMakeDebian13(): boolean {
  return process.getuid?.() === 0 && spawnSync("sh", ["-c", "command -v debootstrap"]).status === 0;
}

/**
 * The folder with the files of a Debian 13 that has Prosody 13 and slixmpp; programs in it are run with chroot.
 *
 * @throws Error with what the program said that failed
 */
export async function debian13(): Promise<string> {
  const whole = join(root, "media-oracle-whole");
  if (existsSync(whole)) return root;
  rmSync(root, { recursive: true, force: true });
  await makeDebian("trixie", root);
  const policy = join(root, "usr/sbin/policy-rc.d");
  writeFileSync(policy, "#!/bin/sh\nexit 101\n"); // nothing that is installed is started
  chmodSync(policy, 0o755);
  copyFileSync("/etc/resolv.conf", join(root, "etc/resolv.conf"));
  await run("chroot", [root, "apt-get", "update", "-qq"]);
  await run("chroot", [root, "apt-get", "install", "-qq", "-y", "--no-install-recommends", ...packages]);
  writeFileSync(whole, "");
  return root;
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const environment = { PATH: process.env.PATH, DEBIAN_FRONTEND: "noninteractive" };
  await promisify(execFile)(program, args, { env: environment, maxBuffer: 64 * 1024 * 1024 });
}
