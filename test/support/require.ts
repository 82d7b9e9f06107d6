import { describe, test } from "vitest";

const told = new Set<string>();

/**
 * For `test.skipIf` and `describe.skipIf`: whether to skip tests because this machine lacks a requirement. Logs it once per
 * test file.
 *
 * @throws Error if MEDIA_ORACLE_TEST_STRICT=1 forbids skipped tests
 */
export function requires(what: string, present: boolean): boolean {
  if (present) return false;
  if (process.env.MEDIA_ORACLE_TEST_STRICT === "1") {
    throw new Error(`There is no ${what} here, and MEDIA_ORACLE_TEST_STRICT=1 forbids to skip its tests`);
  }
  if (!told.has(what)) console.log(`Skipped: there is no ${what} here`);
  told.add(what);
  return true;
}

/**
 * `describe` for tests whose rows come from outside the project. Without them, reports one skipped test: `test.each` of no
 * rows defines no test, so that `describe.skipIf` would report nothing.
 *
 * @throws Error if MEDIA_ORACLE_TEST_STRICT=1 forbids skipped tests
 */
export function describeWith(material: Material, title: string, define: () => void): void {
  if (requires(material.name, material.isPresent)) test.skip(`${title} (needs the ${material.name})`, () => undefined);
  else describe(title, define);
}

/** Files beside the project that tests read. */
export interface Material {
  readonly name: string;
  readonly isPresent: boolean;
}
