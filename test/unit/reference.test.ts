import { expect, test } from "vitest";
import { readReadme, withTables } from "../../scripts/reference.ts";

test("README's tables of settings, failures and warnings are those of the code (else: npm run reference)", async () => {
  expect(readReadme()).toBe(await withTables(readReadme()));
});

test("README fits two screens before its reference part", () => {
  const [before] = readReadme().split("## Reference");
  expect(before!.split("\n").length).toBeLessThanOrEqual(120);
});
