/**
 * Prints the SBOM of the program (CycloneDX): its runtime dependencies in the versions of the lock file.
 *
 * `npm sbom --omit dev` alone is not enough: it leaves out each package that a development dependency needs too, such as
 * lru-cache. So it gets a copy of the lock file without development dependencies.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Needs no network: the versions are in the lock file. */
export function makeSbom(): string {
  const temporary = mkdtempSync(join(tmpdir(), "media-oracle-sbom-"));
  try {
    const folder = join(temporary, "media-oracle"); // npm takes the name of the root component from it
    mkdirSync(folder);
    copyFileSync(join(root, "package-lock.json"), join(folder, "package-lock.json"));
    const description = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<string, unknown>;
    // Overrides change the versions of development dependencies, or are in the lock file already.
    for (const name of ["devDependencies", "overrides"]) Reflect.deleteProperty(description, name);
    writeFileSync(join(folder, "package.json"), JSON.stringify(description));
    const npm = (...parameters: string[]) => execFileSync("npm", parameters, { cwd: folder, encoding: "utf8" });
    npm("install", "--package-lock-only", "--ignore-scripts", "--offline");
    return npm("sbom", "--package-lock-only", "--sbom-format", "cyclonedx", "--sbom-type", "application");
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(makeSbom());
