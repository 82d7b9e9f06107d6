import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { spawnSync } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";

const folder = new URL("../peers/", import.meta.url);

/** Returns the path of a file in a peer's package. */
export function peerFile(path: string): string {
  return fileURLToPath(new URL(`node_modules/${path}`, folder));
}

/** Installs the peers from their own lock file, unless they are installed. */
export function ensurePeers(): void {
  if (existsSync(peerFile(".package-lock.json"))) return;
  console.log("Installing the peers into bench/peers (npm ci)");
  const { status } = spawnSync("npm", ["ci"], { cwd: fileURLToPath(folder), stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error("npm ci failed in bench/peers");
}

/**
 * Imports a peer's package, which is no dependency of the project and so has no types here.
 *
 * @typeParam Module the exports in use
 */
export async function importPeer<Module>(name: string): Promise<Module> {
  const path = createRequire(new URL("package.json", folder)).resolve(name);
  return (await import(pathToFileURL(path).href)) as Module;
}
