import { expect, test } from "vitest";
import { type Description, type Progress, startDescription } from "../../src/domain/description.ts";
import type { Fields } from "../../src/domain/fields.ts";
import type { Decoder, Picture } from "../../src/media/decode/decoder.ts";
import { unknownPicture } from "../../src/media/decode/picture.ts";
import { decodableFormats } from "../../src/media/formats/index.ts";
import { createReading, factsOf, type Rest } from "../../src/reading.ts";
import { createFakeSource, type FakeSource, type FakeSourceOptions } from "../support/fake-source.ts";
import { png } from "../support/heads.ts";

interface ReadOptions extends FakeSourceOptions {
  readonly fields?: Fields;
  readonly how?: "stop" | "readPlanned" | "readWhole";
  readonly picture?: Picture;
}

const enabled = Object.fromEntries(decodableFormats.map((name) => [name, true])) as Decoder["enabled"];

/** Reads the head of a body, and then the rest; the lookup stays in progress afterwards. */
function start(
  body: Uint8Array,
  { fields = null, how = "stop", picture = unknownPicture, ...options }: ReadOptions = {},
) {
  const source = createFakeSource(body, { step: 1024, ...options });
  const decoder = {
    enabled,
    describe: () => Promise.resolve(picture),
    measure: () => Promise.resolve(picture),
  };
  let onRest!: (rest: Rest) => void;
  const rest = new Promise<Rest>((resolve) => (onRest = resolve));
  const types = new Set<string>();
  const description = startDescription(async (own) => {
    const learn: Progress["learn"] = (part) => {
      if (part.type !== undefined) types.add(part.type);
      return own.learn(part);
    };
    const progress = { ...own, learn };
    const reading = createReading({ source, fields, progress, decoder, patienceMs: 0 });
    await reading.readHead();
    onRest(await reading[how]());
    return new Promise(() => undefined);
  });
  return { description, source, rest, types };
}

/** Reads a body, and returns the known facts then. */
async function read(body: Uint8Array, options: ReadOptions = {}) {
  const { description, source, rest, types } = start(body, options);
  return { ...(await rest), known: description.known, source, types: [...types] };
}

/** Waits until a stalled source has been given up for now. */
const stall = () => new Promise((resolve) => setTimeout(resolve, 200));

/** Ends a stalled body by a timeout, and returns the known facts then. */
async function endStalled({
  description,
  source,
  rest,
}: {
  description: Description;
  source: FakeSource;
  rest: Promise<Rest>;
}) {
  await stall();
  source.timeOut();
  await rest;
  return description.known;
}

const sniffBytes = 12_288;

const header = Buffer.from("0000006000000040" + "0802000000", "hex"); // 96 x 64 pixels

/** A PNG whose profile has so many bytes, and `imageBytes` of image data. */
const pngWith = (profileBytes: number, imageBytes: number) =>
  png(
    ["IHDR", header],
    ["iCCP", Buffer.alloc(profileBytes, 1)],
    ["IDAT", Buffer.alloc(imageBytes, 7)],
    ["IEND", Buffer.alloc(0)],
  );

/** An ID3 tag (id3.org, ID3v2.4.0) of so many bytes with its header. */
function tagOf(bytes: number): Buffer {
  const sizes = [21, 14, 7, 0].map((shift) => ((bytes - 10) >> shift) & 0x7f);
  return Buffer.concat([Buffer.from("ID3\x04\0\0"), Buffer.from(sizes), Buffer.alloc(bytes - 10)]);
}

const streamInfo = Buffer.alloc(34);
streamInfo.set([0x0a, 0xc4, 0x42, 0xf0, 0, 2, 4, 0xcc], 10); // 44.1 kHz, 2 channels, 16 bits, 132,300 samples
const flac = Buffer.concat([Buffer.from("fLaC\x80\0\0\x22", "latin1"), streamInfo, Buffer.alloc(600_000, 1)]);

const taggedFlac = (tagBytes: number) => Buffer.concat([tagOf(tagBytes), flac]);

test("the type of a picture is known as soon as its signature is, and for good with its first 12 KiB", async () => {
  const { description, source, rest } = start(pngWith(100, 50_000), {
    how: "readWhole",
    stallsAfter: 700,
    declaredType: "text/plain",
  });
  await stall();
  expect(description.known).toMatchObject({ type: "image/png", width: 96, warnings: [] });
  let isSure = false;
  void description.until(["type"]).then(() => (isSure = true));
  await stall();
  expect(isSure).toBe(false);
  source.timeOut();
  await rest;
  expect(await description.until(["type"])).toMatchObject({ type: "image/png", warnings: ["type_mismatch"] });
});

test("the type is known for good while the body is still read", async () => {
  const { description, rest } = start(pngWith(100, 50_000));
  expect(await description.until(["type", "width"])).toMatchObject({ type: "image/png", width: 96 });
  expect((await rest).body.sha256).toBeNull();
});

test("a text has no type before its first 12 KiB have arrived: more bytes may be no text", async () => {
  const stalled = start(Buffer.alloc(50_000, "a,b\n"), { stallsAfter: 5000, declaredType: "text/csv" });
  await stall();
  expect(stalled.description.known?.type ?? null).not.toBe("text/csv");
  expect(await endStalled(stalled)).toMatchObject({ type: "text/csv", warnings: [] });
  const { known, source } = await read(Buffer.alloc(50_000, "a,b\n"), { declaredType: "text/csv" });
  expect([known?.type, source.received.byteLength]).toEqual(["text/csv", sniffBytes]);
});

test("of a body that fails before its first byte the declared type is all there is, and nothing contradicts it", async () => {
  const options = { stallsAfter: 0, declaredType: "image/png" };
  expect(await endStalled(start(pngWith(100, 50_000), options))).toMatchObject({ type: "image/png", warnings: [] });
});

test.each([
  ["an empty body", Buffer.alloc(0), {}],
  ["a body that ends after a byte", Buffer.from("x"), {}],
])("%s is not of the declared type", async (_, body, options) => {
  const { known } = await read(body, { ...options, declaredType: "image/png" });
  expect(known?.warnings).toEqual(["type_mismatch"]);
});

test("a body that fails after its first byte is not of a declared type with a signature", async () => {
  const stalled = start(Buffer.alloc(50_000, 0x80), { stallsAfter: 1, step: 1, declaredType: "image/png" });
  expect(await endStalled(stalled)).toMatchObject({ type: "application/octet-stream", warnings: ["type_mismatch"] });
});

const farEnd = sniffBytes + 32 * 1024;

test("the bytes behind a tag that ends up to 32 KiB behind the head are read without a range", async () => {
  const near = await read(taggedFlac(farEnd), { fields: ["type"] });
  expect([near.known?.type, near.source.ranges]).toEqual(["audio/flac", []]);
  const far = await read(taggedFlac(farEnd + 1), { fields: ["type"] });
  expect([far.known?.type, far.source.ranges]).toEqual(["audio/flac", [[farEnd + 1, farEnd + 1 + 4096]]]);
  expect(far.source.received.byteLength).toBe(sniffBytes);
});

test("without ranges or a declared length the bytes behind a tag are read up to 256 KiB of the file", async () => {
  const limit = 256 * 1024;
  for (const [options, ranges] of [
    [{ hasRanges: false }, 1],
    [{ declaredBytes: null }, 0],
  ] as const) {
    const near = await read(taggedFlac(limit - 4096), { ...options, fields: ["type"] });
    expect([near.known?.type, near.source.ranges.length]).toEqual(["audio/flac", ranges]);
    const far = await read(taggedFlac(limit - 4095), { ...options, fields: ["type"] });
    expect([far.known?.type, far.source.ranges.length]).toEqual(["audio/mpeg", ranges]);
    expect(far.source.received.byteLength).toBeLessThan(limit);
  }
});

test("a file of which exactly 4 KiB behind its tag arrive at once has its type, without a range", async () => {
  const { known, source } = await read(taggedFlac(16_000), { fields: ["type"], step: 16_000 + 4096 });
  expect([known?.type, source.ranges]).toEqual(["audio/flac", []]);
});

test("a tag that is longer than the file is not skipped by a range", async () => {
  const { source } = await read(tagOf(100_000).subarray(0, 50_000), { fields: ["type"] });
  expect(source.ranges).toEqual([]);
});

test("a tag at whose end the file ends is not skipped by a range", async () => {
  const { source } = await read(tagOf(100_000), { fields: ["type"] });
  expect(source.ranges).toEqual([]);
});

test("a file behind a tag has no other type before the bytes behind the tag have arrived", async () => {
  for (const tagBytes of [2000, 11_000, 20_000, 100_000]) {
    const { types } = await read(taggedFlac(tagBytes), { fields: ["type"], step: 500 });
    expect([tagBytes, types]).toEqual([tagBytes, ["audio/flac"]]);
  }
});

test("a body that stalls within its tag has the type that its tag suggests", async () => {
  const { description } = start(taggedFlac(60_000), { stallsAfter: 5000, hasRanges: false });
  await stall();
  expect(description.known?.type).toBe("audio/mpeg");
});

test("a body that stalls within its tag has no type before its end", async () => {
  const stalled = start(taggedFlac(60_000), { stallsAfter: 5000, hasRanges: false, declaredType: "audio/flac" });
  await stall();
  expect(await endStalled(stalled)).toMatchObject({ type: "audio/flac", warnings: [] });
});

test("facts are read ahead of the decode queue within the first 256 KiB, and not beyond", async () => {
  // The chunk behind the profile begins at 8 + 25 + 12 + its bytes; its header has 8 bytes more.
  const largest = 256 * 1024 - 8 - 25 - 12 - 8;
  const near = await read(pngWith(largest, 1000_000), { fields: ["width"] });
  expect([near.known?.width, near.source.received.byteLength]).toEqual([96, 256 * 1024]);
  const far = await read(pngWith(largest + 1, 1000_000), { fields: ["width"] });
  expect(far.known?.width).toBeNull();
  expect(far.source.received.byteLength).toBeLessThan(256 * 1024);
  const planned = await read(pngWith(largest + 1, 1000_000), { fields: ["width"], how: "readPlanned" });
  expect(planned.known?.width).toBe(96);
  expect(planned.source.received.byteLength).toBeLessThan(1000_000);
});

test("a body that is read no further than needed is stopped, and one whose bytes are all there is counted", async () => {
  const cut = await read(pngWith(100, 50_000), { fields: ["width"] });
  expect(cut.body).toMatchObject({ sha256: null, warning: null });
  expect(cut.source.received.byteLength).toBeLessThan(20_000);
  const small = await read(pngWith(100, 1000), { fields: ["width"], step: 1_000_000 });
  expect(small.body.sha256).toHaveLength(64);
});

test("a body that is read whole is counted, and has its facts", async () => {
  const body = pngWith(100, 50_000);
  const { known, body: whole, isPreviewed } = await read(body, { how: "readWhole" });
  expect([whole.bytes.byteLength, whole.sha256?.length, isPreviewed]).toEqual([body.length, 64, false]);
  expect(known).toMatchObject({ type: "image/png", width: 96, height: 64, animated: false });
});

test.each([
  [{}, {}],
  [{ width: 5 }, {}],
  [{ height: 5 }, {}],
  [
    { width: 5, height: 6 },
    { width: 5, height: 6 },
  ],
  [{ durationMs: 0 }, { durationMs: 0 }],
  [
    { width: 5, height: 6, durationMs: 7, animated: true },
    { width: 5, height: 6, durationMs: 7 },
  ],
])("of a decoded picture with %j the facts %j are learnt: unknown ones replace nothing", (part, facts) => {
  expect(factsOf({ ...unknownPicture, ...part })).toEqual(facts);
});
