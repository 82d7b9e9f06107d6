import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readFinalCounts } from "../../../src/cli/batch-resume.ts";

/** Reads the output of an earlier batch, and returns the counts and the rest of the file. */
async function resume(text: string) {
  const folder = await mkdtemp(join(tmpdir(), "media-oracle-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "answers");
  await writeFile(file, text);
  const counts = await readFinalCounts(file);
  return { counts: Object.fromEntries(counts), left: await readFile(file, "utf8") };
}

const line = (value: unknown) => `${JSON.stringify(value)}\n`;

test.each([
  ["complete metadata", { metadata: { partial: false } }, true],
  ["metadata without the field partial", { metadata: {} }, true],
  ["partial metadata", { metadata: { partial: true } }, false],
  ["a lasting failure", { problem: { retryable: false } }, true],
  ["a failure that can be temporary", { problem: { retryable: true } }, false],
  ["a failure without the field retryable", { problem: {} }, false],
  ["neither", {}, false],
])("a result with %s is final: %s", async (_, result, isFinal) => {
  const { counts } = await resume(line({ url: "a", ...result }));
  expect(counts).toEqual(isFinal ? { a: 1 } : {});
});

test("the final results of a URL are counted", async () => {
  const [a, b] = ["a", "b"].map((url) => line({ url, metadata: {} }));
  expect((await resume(`${a}${b}${a}${a}`)).counts).toEqual({ a: 3, b: 1 });
});

test("a line that is no result is skipped, and kept", async () => {
  const text = `null\n5\n"a"\n{"url":5,"metadata":{}}\n{broken\n\n${line({ url: "a", metadata: {} })}`;
  expect(await resume(text)).toEqual({ counts: { a: 1 }, left: text });
});

test("an incomplete last line is removed, and is no result", async () => {
  const complete = line({ url: "a", metadata: {} });
  const unfinished = line({ url: "b", metadata: {} }).slice(0, -1);
  expect(await resume(complete + unfinished)).toEqual({ counts: { a: 1 }, left: complete });
  expect(await resume(unfinished)).toEqual({ counts: {}, left: "" });
  expect(await resume("")).toEqual({ counts: {}, left: "" });
  expect(await resume("\nx")).toEqual({ counts: {}, left: "\n" });
});

test("an incomplete last line of several read buffers is removed as a whole", async () => {
  const complete = line({ url: "a".repeat(100_000), metadata: {} });
  const { left } = await resume(complete + complete + "b".repeat(200_000));
  expect(left === complete + complete).toBe(true);
});
