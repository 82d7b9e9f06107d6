import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseConfig } from "../../src/config.ts";

/** Returns the absolute path of a file in the project. */
export function pathOf(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}

export function read(path: string): string {
  return readFileSync(pathOf(path), "utf8");
}

/**
 * Parses the settings of a deployment as the program does.
 *
 * @throws ConfigError if a name or a value is invalid, or a required token is missing
 */
export function expectSettings(environment: Readonly<Record<string, string>>): void {
  const machine = { version: "1.2.3", processors: 2, memoryBytes: 2 ** 30, readFile: () => "a-token-of-a-test" };
  parseConfig(environment, {}, machine);
}
