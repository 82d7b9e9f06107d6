import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { alertsFile, readReference, referenceFiles, withParts, withRunbooks } from "../../scripts/reference.ts";

test.each(referenceFiles)(
  "the generated parts of docs/%s are the same as in the code (else: npm run reference)",
  async (file) => {
    expect(readReference(file)).toBe(await withParts(file));
  },
);

test("each alert has the URL of its runbook on one base (else: npm run reference)", () => {
  const rules = readFileSync(alertsFile, "utf8");
  expect(rules).toBe(withRunbooks(rules));
});

test("README fits two screens before its reference part", () => {
  const [before] = readFileSync(new URL("../../README.md", import.meta.url), "utf8").split("## Reference");
  expect(before!.split("\n").length).toBeLessThanOrEqual(120);
});
