import { setTimeout as after } from "node:timers/promises";
import { BufferTarget, EncodedPacket, EncodedVideoPacketSource, Mp4OutputFormat, Output } from "mediabunny";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Description, startDescription } from "../../../src/domain/description.ts";
import type { Fields } from "../../../src/domain/fields.ts";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { createReading, type Rest } from "../../../src/reading.ts";
import { formatNamed, startDecoder } from "../../support/decoder.ts";
import { createFakeSource, type FakeSource } from "../../support/fake-source.ts";
import { photo } from "../../support/images.ts";

let decoder: Decoder;
const ends: (() => Promise<void>)[] = [];

beforeAll(async () => {
  decoder = await startDecoder((end) => ends.push(end));
});

afterAll(async () => {
  for (const end of ends) await end();
});

type Read = "stop" | "readPlanned" | "readWhole";

/** Reads the head of a source, and then the rest in one of three ways. */
function read(source: FakeSource, how: Read, fields: Fields = null): Description & { readonly rest: Promise<Rest> } {
  let resolveRest!: (rest: Promise<Rest>) => void;
  const rest = new Promise<Rest>((resolve) => (resolveRest = resolve));
  const description = startDescription(async (progress) => {
    const reading = createReading({ source, fields, progress, decoder, patienceMs: 0 });
    await reading.readHead();
    const read = reading[how]();
    resolveRest(read);
    await read;
    return progress.learn({});
  });
  return Object.assign(description, { rest });
}

describe("a body that stalls", () => {
  test("a body that stalls within its head is described by the bytes so far", async () => {
    const jpeg = await photo(300, 200).jpeg().toBuffer();
    const source = createFakeSource(jpeg, { stallsAfter: 700, declaredType: "text/plain" });
    const description = read(source, "readWhole");
    while (description.known?.width == null) await after(10);
    expect(description.known).toMatchObject({ type: "image/jpeg", width: 300, height: 200, warnings: [] });
    source.timeOut();
    expect(await description.done).toMatchObject({ type: "image/jpeg", width: 300, warnings: ["type_mismatch"] });
  });

  test("a body that ends by a timeout before it is sniffed is sniffed by what there is", async () => {
    const source = createFakeSource(await photo(30, 20).png().toBuffer(), { stallsAfter: 100 });
    const description = read(source, "stop");
    while (description.known?.width == null) await after(10);
    source.timeOut();
    expect(await description.done).toMatchObject({ type: "image/png", width: 30, height: 20 });
    expect((await description.rest).body).toMatchObject({ sha256: null, warning: "body_timeout" });
  });
});

describe("a file behind an ID3 tag", () => {
  const tag = (bytes: number) => {
    const sizes = [21, 14, 7, 0].map((shift) => (bytes >> shift) & 0x7f);
    return Buffer.concat([Buffer.from("ID3\x04\0\0"), Buffer.from(sizes), Buffer.alloc(bytes)]);
  };
  const info = Buffer.alloc(34);
  info.set([0x0a, 0xc4, 0x42, 0xf0, 0, 2, 4, 0xcc], 10); // 44.1 kHz, 2 channels, 16 bits, 132,300 samples
  const flac = Buffer.concat([Buffer.from("fLaC\x80\0\0\x22", "latin1"), info, Buffer.alloc(100_000, 1)]);
  const wav = Buffer.alloc(44 + 88_200);
  wav.write("RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x44\xac\0\0\x88\x58\x01\0\x02\0\x10\0data", "latin1");
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.writeUInt32LE(wav.length - 44, 40);

  test.each([
    ["a short tag", tag(2000), { hasRanges: true }],
    ["a tag that is longer than the head", tag(20_000), { hasRanges: true }],
    ["a tag with a cover", tag(150_000), { hasRanges: true }],
    ["a tag with a cover, without ranges", tag(150_000), { hasRanges: false }],
  ])("a FLAC and a WAV behind %s have their type and duration", async (_, start, options) => {
    for (const [file, type, durationMs] of [
      [flac, "audio/flac", 3000],
      [wav, "audio/wav", 1000],
    ] as const) {
      const source = createFakeSource(Buffer.concat([start, file]), { ...options, step: 4096 });
      const { done } = read(source, "readPlanned", ["type", "durationMs"]);
      expect(await done).toMatchObject({ type, durationMs, warnings: [] });
      expect(source.ranges.length).toBeLessThanOrEqual(1);
    }
  });

  test("a FLAC behind a tag that is longer than the head has its type if all bytes come at once", async () => {
    const source = createFakeSource(Buffer.concat([tag(60_000), flac]), { step: 1_000_000, hasRanges: false });
    await source.body();
    const { done } = read(source, "readWhole");
    expect(await done).toMatchObject({ type: "audio/flac", durationMs: 3000, warnings: [] });
  });

  test("a worker measures a WAV behind a tag", async () => {
    const measured = await decoder.describe(Buffer.concat([tag(20_000), wav]), formatNamed("wav"));
    expect(measured).toMatchObject({ durationMs: 1000, warning: null });
  });

  test("a tag whose end cannot be reached does not contradict the declared type", async () => {
    const options = { hasRanges: false, declaredType: "audio/flac" };
    const source = createFakeSource(Buffer.concat([tag(1_000_000), flac]), options);
    expect(await read(source, "stop").done).toMatchObject({ type: "audio/flac", warnings: [] });
  });
});

test("a body that drips is not parsed again for each byte", async () => {
  const source = createFakeSource(Buffer.alloc(30_000, 0x80), { step: 1 });
  const description = read(source, "stop");
  expect(await description.done).toMatchObject({ type: "application/octet-stream" });
  expect(source.calls).toBeLessThan(60);
  expect(source.received.byteLength).toBeLessThan(13_000);
});

describe("a body that is read to its end", () => {
  /** A film whose first sample begins at the offset, behind a box without content. */
  async function filmWithSamplesAt(offset: number): Promise<Buffer> {
    const target = new BufferTarget();
    const output = new Output({ format: new Mp4OutputFormat({ fastStart: "in-memory" }), target });
    const track = new EncodedVideoPacketSource("vp8");
    output.addVideoTrack(track);
    await output.start();
    const decoderConfig = { codec: "vp8", codedWidth: 320, codedHeight: 180 };
    await track.add(new EncodedPacket(Buffer.alloc(300_000), "key", 0, 1), { decoderConfig });
    await output.finalize();
    const file = Buffer.from(target.buffer!);
    const [samples, offsets] = [file.indexOf("mdat") - 4, file.indexOf("stco") + 12];
    const free = Buffer.alloc(offset - file.readUInt32BE(offsets));
    free.writeUInt32BE(free.length);
    free.write("free", 4);
    file.writeUInt32BE(offset, offsets);
    return Buffer.concat([file.subarray(0, samples), free, file.subarray(samples)]);
  }

  test.each([
    ["are a megabyte away come with the rest", 0, 0],
    ["are further away are read ahead by a range", 1, 1],
  ])("the samples of a film that %s", async (_, more, count) => {
    const offset = 20_000 + 1024 ** 2 + more;
    const source = createFakeSource(await filmWithSamplesAt(offset), { stallsAfter: 20_000 });
    const { done } = read(source, "readWhole");
    await after(100);
    source.timeOut();
    expect(await done).toMatchObject({ type: "video/mp4", width: 320, height: 180 });
    expect(source.ranges).toHaveLength(count);
    for (const [from] of source.ranges) expect(from).toBe(offset);
  });
});

test("a picture that comes byte by byte has the size in its head", async () => {
  const source = createFakeSource(await photo(300, 200).jpeg().toBuffer(), { step: 1 });
  expect(await read(source, "stop").done).toMatchObject({ type: "image/jpeg", width: 300, height: 200 });
});

test("an empty body has neither format nor facts", async () => {
  const { done, rest } = read(createFakeSource(Buffer.alloc(0)), "readWhole");
  expect(await done).toMatchObject({ type: "application/octet-stream", width: null, warnings: [] });
  expect((await rest).body.bytes).toHaveLength(0);
});
