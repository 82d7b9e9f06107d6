import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { spawnSync } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";

const folder = new URL("../peers/", import.meta.url);

/** Where a file of a peer's package is. */
export function peerFile(path: string): string {
  return fileURLToPath(new URL(`node_modules/${path}`, folder));
}

/** Installs the peers by their own lock file, where they are not, and says so. */
export function ensurePeers(): void {
  if (existsSync(peerFile(".package-lock.json"))) return;
  console.log("Installing whom we compare with into bench/peers (npm ci)");
  const { status } = spawnSync("npm", ["ci"], { cwd: fileURLToPath(folder), stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error("npm ci failed in bench/peers");
}

/**
 * A package of theirs, which is no dependency of ours and so has no types here.
 *
 * @typeParam Module what is used of it
 */

export async function importPeer<Module>(name: string): Promise<Module> {
  const path = createRequire(new URL("package.json", folder)).resolve(name);
  return (await import(pathToFileURL(path).href)) as Module;
}
