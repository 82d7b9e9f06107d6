import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startDescription } from "../../src/domain/description.ts";
import type { Fields } from "../../src/domain/fields.ts";
import type { Decoder, Picture } from "../../src/media/decode/decoder.ts";
import { unknownPicture } from "../../src/media/decode/picture.ts";
import { decodableFormats, formats } from "../../src/media/formats/index.ts";
import type { Excerpt, FactsStep, Need, PreviewStep, ReceivedFile } from "../../src/media/formats/plan.ts";
import { createReading, type Rest } from "../../src/reading.ts";
import { createFakeSource, type FakeSource, type FakeSourceOptions } from "../support/fake-source.ts";
import { box, fileType, png } from "../support/heads.ts";
import { movieHeader } from "../support/track-bytes.ts";

// How a read plan is followed: here the test is the plan of PNG files, and the clock stands still.

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const { plan } = formats.find(({ name }) => name === "png")!;

const noFacts: FactsStep = { known: {}, measurable: null, need: null };
const noPreview: PreviewStep = { excerpt: null, need: null };

interface ReadOptions extends FakeSourceOptions {
  readonly fields?: Fields;
  readonly how?: "stop" | "readPlanned" | "readWhole";
  readonly patienceMs?: number;
  /** Called before the reading begins. */
  readonly before?: (source: FakeSource) => void;
  /** Whether the decoder can decode a PNG. Default: true. */
  readonly isEnabled?: boolean;
  /** Whether the decoder never describes anything. Default: false. */
  readonly isStuck?: boolean;
  /** What the plan returns, besides the default: nothing known, nothing needed. */
  readonly facts?: (file: ReceivedFile) => Partial<FactsStep>;
  readonly preview?: (file: ReceivedFile) => Partial<PreviewStep>;
  /** What the decoder measures and describes. Default: nothing. */
  readonly picture?: Partial<Picture>;
}

/** Reads the head of a body by the plan, and then the rest; the lookup stays in progress afterwards. */
function start(body: Uint8Array, options: ReadOptions = {}) {
  const { fields = null, how = "readPlanned", patienceMs = 0, isEnabled = true } = options;
  const { facts = () => ({}), preview = () => ({}), picture } = options;
  const source = createFakeSource(body, options);
  options.before?.(source);
  const asked = { facts: [] as ReceivedFile[], preview: [] as ReceivedFile[] };
  vi.spyOn(plan, "facts").mockImplementation((file) => {
    asked.facts.push({ ...file, parts: [...file.parts] });
    return { ...noFacts, ...facts(file) };
  });
  vi.spyOn(plan, "preview").mockImplementation((file) => {
    asked.preview.push({ ...file, parts: [...file.parts] });
    return { ...noPreview, ...preview(file) };
  });
  const measured: Uint8Array[] = [];
  const described: Uint8Array[] = [];
  const signals: (AbortSignal | undefined)[] = [];
  const decoder = {
    enabled: Object.fromEntries(decodableFormats.map((name) => [name, isEnabled])) as Decoder["enabled"],
    describe(bytes: Uint8Array, _format: unknown, signal?: AbortSignal) {
      described.push(bytes);
      signals.push(signal);
      if (options.isStuck) return new Promise<Picture>(() => undefined);
      return Promise.resolve({ ...unknownPicture, ...picture });
    },
    measure(bytes: Uint8Array) {
      measured.push(bytes);
      return Promise.resolve({ ...unknownPicture, ...picture });
    },
  };
  let rest: Rest | null = null;
  const description = startDescription(async (progress) => {
    const reading = createReading({ source, fields, progress, decoder, patienceMs });
    await reading.readHead();
    rest = await reading[how]();
    return new Promise(() => undefined);
  });
  return {
    ...{ source, description, asked, measured, described, signals },
    get rest() {
      return rest;
    },
  };
}

/** Reads a body that does not stall. */
async function read(body: Uint8Array, options: ReadOptions = {}) {
  const reading = start(body, options);
  await pass(0);
  expect(reading.rest).not.toBeNull();
  return { ...reading, rest: reading.rest!, known: reading.description.known };
}

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

const header = Buffer.from("0000006000000040" + "0802000000", "hex"); // 96 x 64 pixels

const pngWith = (bytes: number) => png(["IHDR", header], ["IDAT", Buffer.alloc(bytes, 7)], ["IEND", Buffer.alloc(0)]);

const body = pngWith(100_000);
const sniffBytes = 12 * 1024;

const excerpt: Excerpt = { bytes: Uint8Array.of(1, 2, 3), accuracy: "exact" };

/** Needs the bytes up to an offset, until they have arrived. */
const until =
  (bytes: number) =>
  ({ prefix }: ReceivedFile): { need: Need | null } => ({ need: prefix.byteLength < bytes ? { prefix: bytes } : null });

/** Needs the whole file. */
const whole = ({ prefix, length }: ReceivedFile): { need: Need | null } => ({
  need: prefix.byteLength === length ? null : "whole",
});

/** Needs some ranges, one after the other. */
const ranges =
  (...needs: readonly (readonly [from: number, to: number])[]) =>
  ({ prefix, parts }: ReceivedFile): { need: Need | null } => {
    const isThere = ([from, to]: readonly [number, number]) =>
      prefix.byteLength >= to || parts.some(({ at }) => at === from);
    const [from, to] = needs.find((range) => !isThere(range)) ?? [0, 0];
    return { need: to > 0 ? { from, to } : null };
  };

test("a body has stalled after 50 ms without a byte, and then after twice as long each time", async () => {
  const { source } = start(Buffer.alloc(50_000, "a,b\n"), { stallsAfter: 1 });
  await pass(0);
  const calls = [source.calls];
  for (const milliseconds of [49, 1, 99, 1, 199, 1]) {
    await pass(milliseconds);
    calls.push(source.calls);
  }
  expect(calls).toEqual([2, 2, 3, 3, 4, 4, 5]);
});

test("a body of which bytes arrive in each pause has not stalled", async () => {
  const { source, asked } = start(body, { stallsAfter: 15_000, preview: until(20_000) });
  await pass(0);
  const isStalled = () => asked.preview.map((file) => file.isStalled);
  expect(isStalled()).toEqual([false]);
  await pass(40);
  source.resume(15_001);
  await pass(50);
  source.resume(15_002);
  await pass(59);
  expect(isStalled()).toEqual([false]);
  await pass(1);
  expect(isStalled()).toEqual([false, true]);
  source.resume(20_000);
  await pass(0);
  expect(isStalled()).toEqual([false, true, false]);
});

test("the head is parsed again when it has grown by a quarter", async () => {
  const { asked } = await read(body, { step: 1, how: "stop" });
  const lengths = [...new Set(asked.facts.map(({ prefix }) => prefix.byteLength))];
  const [first] = lengths;
  const expected = [first!];
  while (expected.at(-1)! < sniffBytes) expected.push(Math.min(sniffBytes, Math.ceil(expected.at(-1)! * 1.25) + 1));
  expect(lengths).toEqual(expected);
});

test("a plan learns the declared length of a file, and the counted one at its end", async () => {
  const { asked, rest } = await read(body, { declaredBytes: null, preview: whole });
  expect(asked.preview.map(({ length }) => length)).toEqual([null, body.length]);
  expect(rest.body.sha256).toHaveLength(64);
  const declared = await read(body);
  expect(declared.asked.preview.map(({ length }) => length)).toEqual([body.length]);
});

test("the length of a body that is cut off is the declared one, and unknown without it", async () => {
  for (const declaredBytes of [null, body.length]) {
    const { source, asked } = start(body, { declaredBytes, stallsAfter: 20_000, preview: whole });
    await pass(0);
    source.timeOut();
    await pass(0);
    expect(asked.preview.map(({ length }) => length)).toEqual([declaredBytes, declaredBytes]);
  }
});

test("after the end of a body its plan is asked once more", async () => {
  const { source, asked } = start(body, { stallsAfter: 20_000, preview: until(30_000) });
  await pass(50);
  expect(asked.preview.map(({ prefix }) => prefix.byteLength)).toEqual([20_000, 20_000]);
  source.timeOut();
  await pass(0);
  expect(asked.preview).toHaveLength(3);
});

test("the plan of a body that is too large chooses ranges as if the body had stalled", async () => {
  for (const [maxBytes, isStalled] of [
    [body.length - 1, true],
    [body.length, false],
  ] as const) {
    const { asked } = await read(body, { maxBytes });
    expect(asked.preview.map((file) => file.isStalled)).toEqual([isStalled]);
  }
});

test("a body that is too large is not read whole for its plan", async () => {
  const options = { step: 1024, preview: whole };
  const { source } = await read(body, { ...options, maxBytes: body.length - 1 });
  expect(source.received.byteLength).toBe(sniffBytes);
  expect((await read(body, options)).source.received.byteLength).toBe(body.length);
});

test("a file is measured up to three times, each time with more bytes", async () => {
  const facts = ({ prefix }: ReceivedFile) => ({
    measurable: prefix.subarray(0, Math.floor(prefix.byteLength / 20_000)),
    need: { prefix: prefix.byteLength + 10_000 },
  });
  const { measured, asked } = await read(body, { step: 1000, facts, picture: { width: 5, height: 6 } });
  expect(measured.map(({ byteLength }) => byteLength)).toEqual([1, 2, 3]);
  expect(asked.facts.length).toBeGreaterThan(8);
});

test("a worker gets a copy of the bytes to measure, since the buffer of the body is used again", async () => {
  const measurable = Uint8Array.of(1, 2, 3);
  const { measured } = await read(body, { facts: () => ({ measurable }) });
  expect(measured).toEqual([measurable]);
  expect(measured[0]!.buffer).not.toBe(measurable.buffer);
});

test("measured facts complete those of the plan, and replace none", async () => {
  const { known } = await read(body, {
    facts: () => ({ known: { width: 5, height: 6 }, measurable: Uint8Array.of(1) }),
    picture: { width: 7, height: 8, durationMs: 9 },
  });
  expect(known).toMatchObject({ width: 5, height: 6, durationMs: 9 });
});

test("a file whose requested facts are known is not measured, and nothing more is read for them", async () => {
  const { measured, source, known } = await read(body, {
    fields: ["width"],
    step: 1024,
    facts: () => ({ known: { width: 5 }, measurable: Uint8Array.of(1), need: { prefix: 50_000 } }),
  });
  expect([known?.width, measured, source.received.byteLength]).toEqual([5, [], sniffBytes]);
});

test("the facts that a plan may still find are read, also if the preview needs nothing", async () => {
  const { source } = await read(body, { step: 1024, facts: until(50_000) });
  expect(source.received.byteLength).toBeGreaterThanOrEqual(50_000);
});

test("the preview is searched behind the head, if it is requested and can be decoded", async () => {
  const counts = async (options: ReadOptions) => (await read(body, options)).asked.preview.length;
  expect(await counts({ how: "stop" })).toBe(0);
  expect(await counts({})).toBe(1);
  expect(await counts({ isEnabled: false })).toBe(0);
  for (const [field, count] of [
    ["blurhash", 1],
    ["thumbhash", 1],
    ["thumbnail", 1],
    ["width", 0],
  ] as const) {
    expect([field, await counts({ fields: [field] })]).toEqual([field, count]);
  }
});

test("facts behind the head are read ahead of the decode queue by a range, and not without ranges", async () => {
  const facts = ranges([60_000, 60_010]);
  const options = { step: 1024, how: "stop", facts } as const;
  const near = await read(body, options);
  expect([near.source.ranges, near.source.received.byteLength]).toEqual([[[60_000, 60_010]], sniffBytes]);
  expect(near.asked.facts.at(-1)!.parts).toEqual([{ at: 60_000, bytes: body.subarray(60_000, 60_010) }]);
  const without = await read(body, { ...options, hasRanges: false });
  expect([without.source.ranges.length, without.source.received.byteLength]).toEqual([1, sniffBytes]);
});

test("without ranges a body is read up to the end of each range, and no further range is requested", async () => {
  const preview = ranges([60_000, 60_010], [80_000, 80_010]);
  const { source, asked } = await read(body, { step: 10, hasRanges: false, preview });
  expect(source.ranges).toEqual([[60_000, 60_010]]);
  const lengths = asked.preview.map(({ prefix }) => prefix.byteLength);
  expect(lengths.slice(-2)).toEqual([60_010, 80_010]);
});

test("a plan gets the ranges in the order of their offsets", async () => {
  const { asked, source } = await read(body, {
    step: 1024,
    preview: ranges([60_000, 60_010], [80_000, 80_010], [40_000, 40_010]),
  });
  expect(asked.preview.at(-1)!.parts.map(({ at }) => at)).toEqual([40_000, 60_000, 80_000]);
  expect(source.received.byteLength).toBe(sniffBytes);
});

const large = pngWith(2 * 1024 ** 2);

test("of a body that is read to its end a range is requested only if it is more than 1 MiB away", async () => {
  const stallsAfter = 20_000;
  for (const [distance, count] of [
    [1024 ** 2, 0],
    [1024 ** 2 + 1, 1],
  ] as const) {
    const from = stallsAfter + distance;
    const options = { stallsAfter, preview: ranges([from, from + 10]) };
    const counted = start(large, { ...options, how: "readWhole" });
    await pass(10);
    expect([distance, counted.source.ranges.length]).toEqual([distance, count]);
    const planned = await read(large, options);
    expect([distance, planned.source.ranges.length]).toEqual([distance, 1]);
  }
});

test("of a body that is read to its end a near range is requested once the body has stalled", async () => {
  const preview = (file: ReceivedFile) => (file.isStalled ? ranges([60_000, 60_010])(file) : until(30_000)(file));
  const { source } = start(body, { stallsAfter: 20_000, how: "readWhole", preview });
  await pass(49);
  expect(source.ranges).toEqual([]);
  await pass(1);
  expect(source.ranges).toEqual([[60_000, 60_010]]);
});

test("an excerpt that is enough ends the reading, and a provisional one does not", async () => {
  const options = { step: 1024, picture: { blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj" } };
  const step = (accuracy: Excerpt["accuracy"]) => (file: ReceivedFile) => ({
    ...until(50_000)(file),
    excerpt: { ...excerpt, accuracy },
  });
  const exact = await read(body, { ...options, preview: step("exact") });
  expect([exact.source.received.byteLength, exact.described, exact.rest]).toMatchObject([
    sniffBytes,
    [],
    { excerpt, isPreviewed: false },
  ]);
  const provisional = await read(body, { ...options, preview: step("provisional") });
  expect(provisional.source.received.byteLength).toBeGreaterThanOrEqual(50_000);
  expect(provisional.described).toHaveLength(1);
  expect(provisional.rest.excerpt?.accuracy).toBe("provisional");
});

test("an excerpt that is there only at the end of the body is left to the decoding of the whole body", async () => {
  const preview = ({ length }: ReceivedFile): Partial<PreviewStep> =>
    length === null ? { need: "whole" } : { excerpt: { ...excerpt, accuracy: "provisional" } };
  const { described, rest } = await read(body, { declaredBytes: null, preview });
  expect([described, rest.excerpt?.bytes]).toEqual([[], excerpt.bytes]);
});

test("a body that ends within the patience is not searched for an excerpt", async () => {
  const options = { how: "readWhole", stallsAfter: 20_000, patienceMs: 1000, preview: () => ({ excerpt }) } as const;
  const quick = start(body, options);
  await pass(999);
  quick.source.resume(Infinity);
  await pass(0);
  expect(quick.rest).toMatchObject({ excerpt: null, isPreviewed: false, body: { bytes: body } });
  expect([quick.asked.preview, quick.described]).toEqual([[], []]);
});

test("a body that goes on after the patience has its excerpt decoded before its end", async () => {
  const blurhash = "LEHV6nWB2yk8pyo0adR*.7kCMdnj";
  const options = { how: "readWhole", stallsAfter: 20_000, patienceMs: 1000, preview: () => ({ excerpt }) } as const;
  const slow = start(body, { ...options, picture: { blurhash } });
  await pass(999);
  expect([slow.described, slow.description.known?.blurhash]).toEqual([[], null]);
  await pass(1);
  expect([slow.described, slow.description.known?.blurhash]).toEqual([[excerpt.bytes], blurhash]);
  expect(slow.rest).toBeNull();
  slow.source.resume(Infinity);
  await pass(0);
  expect(slow.rest).toMatchObject({ excerpt, isPreviewed: true, body: { bytes: body } });
});

test("a body that is cut off within the patience has the excerpt that its bytes have", async () => {
  const options = { how: "readWhole", stallsAfter: 20_000, patienceMs: 1000, preview: () => ({ excerpt }) } as const;
  const cut = start(body, options);
  await pass(10);
  cut.source.timeOut();
  await pass(0);
  expect(cut.rest).toMatchObject({ excerpt, isPreviewed: false, body: { sha256: null, warning: "body_timeout" } });
  expect(cut.described).toEqual([]);
});

test("a body that has ended before it is read has not stalled", async () => {
  const { asked, known } = await read(body, {
    before: (source) => void source.body(),
    facts: () => ({ known: { width: 5 } }),
  });
  expect(asked.facts.map(({ isStalled, prefix }) => [isStalled, prefix.byteLength])).toContainEqual([
    false,
    body.length,
  ]);
  expect(known?.width).toBe(5);
});

const media = box("mdat", Buffer.alloc(600_000));
const sound = movieHeader([{ handler: "soun", samples: 30, codec: "mp4a" }]);
const song = Buffer.concat([fileType("isom"), media, sound]);

test("a movie whose tracks are at its end has its declared type as soon as no range can bring them", async () => {
  const options = { hasRanges: false, stallsAfter: 300_000, how: "readWhole" } as const;
  for (const [declaredType, type] of [
    ["audio/mp4", "audio/mp4"],
    ["application/octet-stream", null],
    ["text/plain", null],
  ] as const) {
    const { description } = start(song, { ...options, declaredType });
    let found: string | null = null;
    void description.until(["type"]).then((known) => (found = known.type));
    await pass(1000);
    expect([declaredType, found]).toEqual([declaredType, type]);
  }
});

test.each([
  ["is not read further", "stop", "video/mp4"],
  ["is read as far as needed and cut off", "readPlanned", "video/mp4"],
  ["is read whole and cut off", "readWhole", "video/mp4"],
] as const)("a movie that %s before its tracks has the type of most such files at its end", async (_, how, type) => {
  const { source, description } = start(song, { hasRanges: false, stallsAfter: 300_000, how, step: 4096 });
  await pass(1000);
  source.timeOut();
  await pass(0);
  expect(description.known).toMatchObject({ type, warnings: [] });
});

test("a movie that arrives whole within the patience has the type of its tracks", async () => {
  const lookup = start(song, { how: "readWhole", hasRanges: false, stallsAfter: 20_000, patienceMs: 1000 });
  await pass(500);
  expect(lookup.description.known?.type).toBe("application/octet-stream");
  lookup.source.resume(Infinity);
  await pass(0);
  expect([lookup.rest?.body.bytes.byteLength, lookup.description.known?.type]).toEqual([song.length, "audio/mp4"]);
});

test("of a body that was cut off within its ID3 tag no range is requested", async () => {
  const tag = Buffer.concat([Buffer.from("ID3\x04\0\0\0\x03\x54\x56", "latin1"), Buffer.alloc(60_000 - 10 + 600_000)]);
  const before = (source: FakeSource) => {
    void source.body();
    source.timeOut();
  };
  const { source, known } = await read(tag, { how: "stop", stallsAfter: 20_000, before });
  expect([source.ranges, known?.type]).toEqual([[], "audio/mpeg"]);
});

test("a body that is read no further than its head has neither an excerpt nor a preview", async () => {
  const { rest } = await read(body, { how: "stop", preview: () => ({ excerpt }) });
  expect(rest).toMatchObject({ excerpt: null, isPreviewed: false });
});

test("the end of a body cancels the decoding of a provisional excerpt, although a range is still awaited", async () => {
  const from = 20_000 + 1024 ** 2 + 1;
  const { source, signals } = start(large, {
    how: "readWhole",
    stallsAfter: 20_000,
    isStuck: true,
    before: (source) => vi.spyOn(source, "range").mockReturnValue(new Promise(() => undefined)),
    preview: (file) => ({ ...ranges([from, from + 10])(file), excerpt: { ...excerpt, accuracy: "provisional" } }),
  });
  await pass(10);
  expect(signals.map((signal) => signal?.aborted)).toEqual([false]);
  source.resume(Infinity);
  await pass(0);
  expect(signals.map((signal) => signal?.aborted)).toEqual([true]);
});
