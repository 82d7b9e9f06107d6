const told = new Set<string>();

/**
 * For `describe.skipIf`: whether to skip what needs something that this machine lacks. Says so, once a file of tests.
 *
 * @throws Error where MEDIA_ORACLE_TEST_STRICT=1 says that nothing may be skipped
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
