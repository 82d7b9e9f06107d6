import { getEventListeners } from "node:events";
import { PassThrough } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { withLocalFiles } from "../../../src/fetch/local-source.ts";
import type { Source } from "../../../src/fetch/source.ts";
import { createByteBudget } from "../../../src/load/byte-budget.ts";
import { createFetcher, unmeasured } from "../../support/fetch.ts";

const href = "file:///a";
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** Opens a file whose bytes are what the test writes to `file`, and those of ranges what it writes to `part`. */
async function openLocal(bytes: number | null, signal = new AbortController().signal) {
  const [file, part] = [new PassThrough(), new PassThrough()];
  const local = { bytes, open: (from: number) => (from === 0 ? file : part) };
  const budget = createByteBudget(2 ** 24);
  const options = { budget, maxBytes: 1000, headBytes: 10 };
  const { parseTarget, openSource } = withLocalFiles(new Map([[href, local]]), createFetcher(), options);
  const source = (await openSource(parseTarget(href), null, unmeasured(signal))) as Source;
  onTestFinished(() => source.close());
  return { source, file, part, budget };
}

test.each([
  [999, false],
  [1000, false],
  [1001, true],
  [null, false],
])("a local file of %j bytes is too large for a limit of 1,000 bytes: %s", async (bytes, isTooLarge) => {
  const { source } = await openLocal(bytes);
  expect(source).toMatchObject({ isNotModified: false, declaredBytes: bytes, isTooLarge });
});

test.each([
  [3, "abc", null],
  [4, "abc", "body_truncated"],
  [null, "abc", null],
  [null, "", null],
] as const)("a local file of %j bytes that ends after %j has the warning %j", async (bytes, sent, warning) => {
  const { source, file } = await openLocal(bytes);
  file.end(sent);
  const body = await source.body();
  expect([text(body.bytes), body.warning]).toEqual([sent, warning]);
});

test.each([
  ["cannot be read any further", new Error("EIO")],
  ["is closed", undefined],
])("a local file that %s before its end is truncated", async (_name, error) => {
  const { source, file } = await openLocal(null);
  file.write("abc");
  await source.arrived(3);
  file.destroy(error);
  const body = await source.body();
  expect([text(body.bytes), body.warning]).toEqual(["abc", "body_truncated"]);
});

test("a local file whose lookup has timed out before it is opened is not read", async () => {
  const { source, file } = await openLocal(null, AbortSignal.abort());
  expect(await source.body()).toMatchObject({ bytes: new Uint8Array(0), warning: "body_timeout" });
  expect(file.destroyed).toBe(true);
});

test("a local file is read as far as requested, and on after the next request", async () => {
  const { source, file } = await openLocal(null);
  file.write("0123456789");
  await source.arrived(1);
  await nextTurn();
  file.write("abc");
  await source.arrived(10);
  await nextTurn();
  expect(text(source.received)).toBe("0123456789");
  expect(text(await source.arrived(11))).toBe("0123456789abc");
});

test.each<[how: string, end: (source: Source, file: PassThrough) => void, warning: string | null]>([
  ["ends", (_source, file) => file.end(), null],
  ["is stopped", (source) => source.stop(), null],
  ["is closed", (source) => source.close(), "body_timeout"],
  ["exceeds the limit", (_source, file) => file.write(Buffer.alloc(1001)), "body_too_large"],
])("a local file that %s is closed, and its lookup's signal has no listener left", async (_how, end, warning) => {
  const { signal } = new AbortController();
  const { source, file } = await openLocal(null, signal);
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  file.write("abc");
  const whole = source.body();
  await source.arrived(3);
  end(source, file);
  expect((await whole).warning).toBe(warning);
  expect([file.destroyed, getEventListeners(signal, "abort")]).toEqual([true, []]);
});

test("a stopped local file has its bytes so far", async () => {
  const { source, file } = await openLocal(10);
  file.write("abc");
  await source.arrived(3);
  source.stop();
  expect(source.outcome).toMatchObject({ sha256: null, warning: null });
  expect(text((await source.body()).bytes)).toBe("abc");
});

test("a range of a local file is closed with the file, and its memory is freed", async () => {
  const { source, part, budget } = await openLocal(10);
  const range = source.range(5, 10);
  part.write("abc");
  await nextTurn();
  expect(budget.used).toBeGreaterThan(0);
  source.close();
  expect(await range).toBeNull();
  expect([part.destroyed, budget.used]).toEqual([true, 0]);
});
