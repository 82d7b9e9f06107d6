const told = new Set<string>();

/**
 * For `describe.skipIf`: whether to skip tests because this machine lacks a requirement. Logs it once per test file.
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
