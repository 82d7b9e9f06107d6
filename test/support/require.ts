/**
 * For `describe.skipIf`: whether to skip what needs something that this machine lacks.
 *
 * @param what names it in the error, where MEDIA_ORACLE_TEST_STRICT=1 says that nothing may be skipped
 */
export function requires(what: string, present: boolean): boolean {
  if (!present && process.env.MEDIA_ORACLE_TEST_STRICT === "1") {
    throw new Error(`There is no ${what} here, and MEDIA_ORACLE_TEST_STRICT=1 forbids to skip its tests`);
  }
  return !present;
}
