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

test("the sample of the README is the answer for page/example.jpg, shortened", () => {
  const readFile = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
  const [, text = ""] = /```json\n(.*?)```/s.exec(readFile("README.md")) ?? [];
  const sample = JSON.parse(text) as Record<string, unknown>;
  const { metadata } = JSON.parse(readFile("page/example.json")) as { metadata: Record<string, unknown> };
  const recorded = { ...metadata, url: "file:///home/you/media-oracle/page/example.jpg", filename: "example.jpg" };
  expect(Object.keys(sample)).toEqual(Object.keys(recorded));
  // The sample has the beginning of a long text, and an ellipsis.
  const shorten = (value: unknown, like: unknown) =>
    typeof like === "string" && like.endsWith("…") ? `${String(value).slice(0, like.length - 1)}…` : value;
  const shortened = Object.entries(recorded).map(([name, value]) => [name, shorten(value, sample[name])]);
  expect(sample).toEqual(Object.fromEntries(shortened));
});
