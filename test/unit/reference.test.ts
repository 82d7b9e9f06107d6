import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readReference, referenceFiles, withParts } from "../../scripts/reference.ts";

test.each(referenceFiles)(
  "the generated parts of docs/%s are the same as in the code (else: npm run reference)",
  async (file) => {
    expect(readReference(file)).toBe(await withParts(file));
  },
);

test("README fits two screens before its reference part", () => {
  const [before] = readFileSync(new URL("../../README.md", import.meta.url), "utf8").split("## Reference");
  expect(before!.split("\n").length).toBeLessThanOrEqual(120);
});
