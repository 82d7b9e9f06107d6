import { execFile, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeDebian } from "../../scripts/debian.ts";

const packages = ["prosody", "lua-unbound", "lua-dbi-sqlite3", "python3-slixmpp"];

/** Kept between runs, because creating it takes minutes. */
const root = join(tmpdir(), "media-oracle-debian-13");

/** Whether this machine can create a Debian file system: that needs root and debootstrap. */
export function canMakeDebian13(): boolean {
  return process.getuid?.() === 0 && spawnSync("sh", ["-c", "command -v debootstrap"]).status === 0;
}

/**
 * Creates a Debian 13 file system with Prosody 13 and slixmpp, unless it exists with these packages; returns its folder, for use with chroot.
 *
 * @throws Error with the output of the program that failed
 */
export async function debian13(): Promise<string> {
  const completeMark = join(root, "media-oracle-complete");
  if (existsSync(completeMark) && readFileSync(completeMark, "utf8") === packages.join(" ")) return root;
  rmSync(root, { recursive: true, force: true });
  await makeDebian("trixie", root);
  const policy = join(root, "usr/sbin/policy-rc.d");
  writeFileSync(policy, "#!/bin/sh\nexit 101\n"); // forbids the start of installed services
  chmodSync(policy, 0o755);
  copyFileSync("/etc/resolv.conf", join(root, "etc/resolv.conf"));
  await run("chroot", [root, "apt-get", "update", "-qq"]);
  await run("chroot", [root, "apt-get", "install", "-qq", "-y", "--no-install-recommends", ...packages]);
  writeFileSync(completeMark, packages.join(" "));
  return root;
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const environment = { PATH: process.env.PATH, DEBIAN_FRONTEND: "noninteractive" };
  await promisify(execFile)(program, args, { env: environment, maxBuffer: 64 * 1024 * 1024 });
}
