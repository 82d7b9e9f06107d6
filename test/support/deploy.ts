import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseConfig } from "../../src/config.ts";

/** A file of those that operators run, by its path in the project. */
export function pathOf(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}

export function read(path: string): string {
  return readFileSync(pathOf(path), "utf8");
}

/**
 * Has the program read the settings that a deployment gives it.
 *
 * @throws ConfigError where one has a name or a value that it does not take, or it would not listen without tokens
 */
export function expectSettings(environment: Readonly<Record<string, string>>): void {
  const machine = { version: "1.2.3", processors: 2, memoryBytes: 2 ** 30, readFile: () => "a-token-of-a-test" };
  parseConfig(environment, {}, machine);
}
