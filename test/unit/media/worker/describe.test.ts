import { BufferTarget, EncodedPacket, EncodedVideoPacketSource, Output, WebMOutputFormat } from "mediabunny";
import sharp from "sharp";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { type FormatName, decodableFormats } from "../../../../src/media/formats/index.ts";
import { sniff } from "../../../../src/media/formats/sniff.ts";
import { rgbaToBlurhash } from "../../../../src/media/worker/blurhash.ts";
import { createDescribe, type DescribeRequest } from "../../../../src/media/worker/describe.ts";
import { byteFiles } from "../../../support/byte-files.ts";
import { formatNamed } from "../../../support/decoder.ts";
import { latin1 } from "../../../support/heads.ts";
import { noise, plain } from "../../../support/images.ts";
import { mediaFiles } from "../../../support/media-files.ts";
import { apng } from "../../../support/plan-files.ts";
import { ac3Frames, asfFile, asfHeader, asfStream, auHeader, wave } from "../../../support/stream-heads.ts";
import { aifcFile } from "../../../support/track-bytes.ts";

const describeBody = await createDescribe({ formats: decodableFormats, clips: false });

afterAll(() => {
  sharp.unblock({ operation: ["VipsForeignLoad"] });
  sharp.cache(true);
  sharp.concurrency(0);
});

const unlimited = { bytes: Infinity, milliseconds: Infinity };
const request = (name: FormatName, change: Partial<DescribeRequest> = {}): DescribeRequest => ({
  operation: "describe",
  format: formatNamed(name),
  allowed: unlimited,
  ...change,
});
const raw = (width: number, height: number, rgba: Uint8Array) => sharp(rgba, { raw: { width, height, channels: 4 } });
const picture = raw(50, 40, noise(50, 40, 1)).removeAlpha();
const png = await picture.png().toBuffer();
const noHashes = { blurhash: null, thumbhash: null, thumbnail: null };
const noFacts = { width: null, height: null, animated: null, durationMs: null };
const noPicture = { ...noHashes, hashMs: 0, clip: null };

describe("a picture", () => {
  test("a picture is described with its facts, its hashes and its estimated cost", async () => {
    const began = performance.now();
    const { decodeMs, hashMs, thumbhash, thumbnail, ...rest } = await describeBody(request("png"), png);
    expect(decodeMs + hashMs).toBeLessThanOrEqual(performance.now() - began);
    expect(Math.min(decodeMs, hashMs)).toBeGreaterThan(0);
    expect([typeof thumbhash, typeof thumbnail]).toEqual(["string", "string"]);
    expect(rest).toEqual({
      ...{ width: 50, height: 40, animated: false, durationMs: null, warning: null, clip: null },
      blurhash: rgbaToBlurhash(50, 40, noise(50, 40, 1), { x: 4, y: 3 }),
      expectedBytes: png.length + 2100, // 1.05 bytes a pixel
      expectedMs: 1, // 15 ns a pixel
    });
  });

  test("a picture that is only measured has no hashes", async () => {
    const measured = await describeBody(request("png", { operation: "measure" }), png);
    expect(measured).toMatchObject({ width: 50, height: 40, animated: false, warning: null, ...noPicture });
    expect(measured.decodeMs).toBeGreaterThan(0);
  });

  test("a picture is decoded if its estimated cost is within the budget, in memory and in time", async () => {
    const file = await raw(1000, 1000, plain(1000, 1000, [9, 8, 7, 255])).removeAlpha().png().toBuffer(); // prettier-ignore
    const cost = { bytes: file.length + 1_050_000, milliseconds: 15 };
    const measured = await describeBody(request("png", { operation: "measure" }), file);
    expect(measured).toMatchObject({ expectedBytes: cost.bytes, expectedMs: cost.milliseconds });
    for (const [allowed, warning] of [
      [cost, null],
      [{ ...cost, bytes: cost.bytes - 1 }, "too_many_pixels"],
      [{ ...cost, milliseconds: 14.999_999 }, "too_many_pixels"],
    ] as const) {
      const described = await describeBody(request("png", { allowed }), file);
      expect(described).toMatchObject({ width: 1000, warning });
      expect(described.blurhash === null).toBe(warning !== null);
    }
  });

  test("the estimates of a picture have a bound, however many pixels its header declares", async () => {
    const file = Buffer.from(await mediaFiles.bmp.make());
    file.writeInt32LE(2 ** 31 - 1, 18);
    file.writeInt32LE(2 ** 31 - 1, 22);
    const allowed = { bytes: 1e9, milliseconds: 1e9 };
    expect(await describeBody(request("bmp", { allowed }), file)).toMatchObject({
      ...{ width: 2 ** 31 - 1, height: 2 ** 31 - 1, warning: "too_many_pixels", ...noPicture },
      ...{ expectedBytes: 2 ** 52, expectedMs: 1e8 },
    });
  });

  test("a picture behind an ID3 tag is described", async () => {
    const tagged = Buffer.concat([latin1("ID3\x04\0\0\0\0\0\x0a"), Buffer.alloc(10), png]);
    expect(await describeBody(request("png"), tagged)).toMatchObject({ width: 50, height: 40, warning: null });
  });

  test("a picture whose pixels are broken has its size and a warning", async () => {
    const broken = await describeBody(request("png"), png.subarray(0, 900));
    expect(broken).toMatchObject({ width: 50, height: 40, animated: false, warning: "decode_failed", ...noPicture });
    expect(broken.expectedBytes).toBe(900 + 2100);
    expect(broken.decodeMs).toBeGreaterThan(0);
  });

  test.each(["describe", "measure"] as const)("bytes that are no picture have no metadata (%s)", async (operation) => {
    const junk = Buffer.concat([png.subarray(0, 8), Buffer.alloc(99, 7)]);
    const described = await describeBody(request("png", { operation }), junk);
    const nothing = { ...noFacts, ...noPicture, expectedBytes: 0, expectedMs: 0, warning: "decode_failed" };
    expect(described).toMatchObject(nothing);
  });

  test("a GIF moves if it has more than one frame", async () => {
    const frames = await Promise.all([1, 2].map((seed) => raw(8, 8, noise(8, 8, seed)).png().toBuffer())); // prettier-ignore
    const moving = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    expect(await describeBody(request("gif"), moving)).toMatchObject({ width: 8, height: 8, animated: true });
    const still = await picture.gif().toBuffer();
    expect(await describeBody(request("gif"), still)).toMatchObject({ width: 50, height: 40, animated: false });
  });

  test("a JPEG without its end has the hash of the whole file, unless more is missing", async () => {
    const file = await picture.jpeg().toBuffer();
    const { blurhash } = await describeBody(request("jpeg"), file);
    expect(blurhash).toHaveLength(28);
    expect(await describeBody(request("jpeg"), file.subarray(0, -2))).toMatchObject({ blurhash, warning: null });
    const cut = await describeBody(request("jpeg"), file.subarray(0, -99));
    expect(cut).toMatchObject({ width: 50, blurhash: null, warning: "decode_failed" });
  });

  test("a drawing has the size of its units, and the pixels of its size", async () => {
    const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="1in" height="48"><rect x="0.5in" width="0.5in" height="48" fill="red"/><rect width="0.5in" height="48"/></svg>`;
    const expected = raw(96, 48, Uint8Array.from({ length: 96 * 48 * 4 }, (_, at) => [(at >> 2) % 96 < 48 ? 0 : 255, 0, 0, 255][at % 4]!)); // prettier-ignore
    const { blurhash } = await describeBody(request("png"), await expected.png().toBuffer());
    expect(await describeBody(request("svg"), Buffer.from(drawing))).toMatchObject({ width: 96, height: 48, blurhash });
  });
});

test("a drawing whose size is in units of the font has the size that its parser reads", async () => {
  const drawing = latin1(`<svg xmlns="http://www.w3.org/2000/svg" width="10em" height="5ex"/>`); // 120 x 30 by libvips
  expect(await describeBody(request("svg"), drawing)).toMatchObject({ width: 160, height: 40, warning: null });
});

describe("a format that is disabled", () => {
  test.each(["describe", "measure"] as const)(
    "a picture of a disabled format has its size only, if its header has it (%s)",
    async (operation) => {
      const frames = await Promise.all([1, 2].map((seed) => raw(8, 8, noise(8, 8, seed)).png().toBuffer())); // prettier-ignore
      const moving = await sharp(frames, { join: { animated: true } })
        .webp()
        .toBuffer();
      const describeNone = await createDescribe({ formats: [], clips: false });
      onTestFinished(async () => {
        await createDescribe({ formats: decodableFormats, clips: false }); // the loaders belong to the process
      });
      const warning = operation === "measure" ? null : "decode_failed";
      const nothing = { durationMs: null, ...noPicture, expectedBytes: 0, expectedMs: 0 };
      const cases = [
        ["png", png, { width: 50, height: 40, animated: null, warning }],
        ["webp", moving, { width: 8, height: 8, animated: null, warning }],
        ["zip", png, { ...noFacts, warning: "decode_failed" }],
        ["pdf", await mediaFiles.pdf.make(), { ...noFacts, warning: "decode_failed" }],
      ] as const;
      for (const [name, body, facts] of cases) {
        const described = await describeNone(request(name, { operation }), body);
        expect(described).toMatchObject({ ...nothing, ...facts });
      }
    },
  );
});

test("only the enabled formats are decoded", async () => {
  const describeJpeg = await createDescribe({ formats: ["jpeg"], clips: false });
  onTestFinished(async () => {
    await createDescribe({ formats: decodableFormats, clips: false }); // the loaders belong to the process
  });
  const nothing = { width: 50, height: 40, ...noHashes, warning: "decode_failed" };
  expect(await describeJpeg(request("png"), png)).toMatchObject(nothing);
  const jpeg = await sharp({ create: { width: 9, height: 9, channels: 3, background: "red" } })
    .jpeg()
    .toBuffer();
  expect(await describeJpeg(request("jpeg"), jpeg)).toMatchObject({ width: 9, animated: false, warning: null });
  expect(await describeJpeg(request("apng"), await apng(3))).toMatchObject({ ...nothing, width: 90, height: 60, animated: true }); // prettier-ignore
});

test("a picture without a decoder has its size, and nothing is said of its movement", async () => {
  const file = await mediaFiles.psd.make();
  const facts = { width: 96, height: 64, animated: null, ...noPicture };
  expect(await describeBody(request("psd"), file)).toMatchObject({ ...facts, warning: "decode_failed" });
  expect(await describeBody(request("psd", { operation: "measure" }), file)).toMatchObject({ ...facts, warning: null });
});

test("the first bytes of a WebP, which libvips cannot read, have its size", async () => {
  const head = (await picture.webp().toBuffer()).subarray(0, 30);
  const facts = { width: 50, height: 40, ...noPicture, expectedBytes: 0 };
  expect(await describeBody(request("webp", { operation: "measure" }), head)).toMatchObject({
    ...facts,
    warning: null,
  });
  expect(await describeBody(request("webp"), head)).toMatchObject({ ...facts, warning: "decode_failed" });
});

describe("a file that a reader reads", () => {
  test("a bitmap is decoded with exactly its estimated memory, and not with less", async () => {
    const file = await mediaFiles.bmp.make();
    const cost = { bytes: file.length + 6 * 96 * 64, milliseconds: 1 };
    const facts = { width: 96, height: 64, animated: false, durationMs: null, expectedBytes: cost.bytes };
    const described = await describeBody(request("bmp", { allowed: cost }), file);
    expect(described).toMatchObject({ ...facts, warning: null, clip: null });
    expect(described.blurhash).toHaveLength(28);
    const allowed = { ...cost, bytes: cost.bytes - 1 };
    expect(await describeBody(request("bmp", { allowed }), file)).toMatchObject({ ...facts, ...noHashes, warning: "too_many_pixels" }); // prettier-ignore
  });

  test.each(["describe", "measure"] as const)("a bitmap without a known header has no metadata (%s)", async (operation) => {
    const file = Buffer.concat([latin1("BM"), Buffer.alloc(90, 255)]);
    expect(await describeBody(request("bmp", { operation }), file)).toMatchObject({ ...noFacts, ...noPicture, warning: "decode_failed" }); // prettier-ignore
  }); // prettier-ignore

  test("the facts in the header of an AIFF need no reader", async () => {
    const file = aifcFile("NONE", 44_100, 16, 88_200);
    for (const operation of ["describe", "measure"] as const) {
      const described = await describeBody(request("aiff", { operation }), file);
      expect(described).toMatchObject({ ...noFacts, durationMs: 1000, ...noPicture, warning: null });
    }
  });

  test("the length of a sound without a declared one is known only if the whole file is there", async () => {
    const file = Buffer.concat([auHeader(0xffffffff), Buffer.alloc(16_000)]);
    expect(await describeBody(request("au"), file)).toMatchObject({ durationMs: 500, warning: null });
    const head = await describeBody(request("au", { operation: "measure" }), file);
    expect(head).toMatchObject({ durationMs: null, warning: null });
  });

  test("a film has a clip only if clips are wanted, and only if it is described", async () => {
    const file = asfHeader(asfStream("video", 320, 180), asfFile(1500));
    const facts = { width: 320, height: 180, animated: null, durationMs: 1500, ...noHashes, warning: null };
    expect(await describeBody(request("asf-video"), file)).toMatchObject({ ...facts, clip: null });
    const withClips = await createDescribe({ formats: decodableFormats, clips: true });
    const clip = { bytes: new Uint8Array(file), container: "asf", rotation: 0 };
    expect(await withClips(request("asf-video"), file)).toMatchObject({ ...facts, clip });
    const measured = await withClips(request("asf-video", { operation: "measure" }), file);
    expect(measured).toMatchObject({ ...facts, clip: null });
    expect(await withClips(request("asf-audio"), wave("RIFF", 4000, 4000, 4000))).toMatchObject({ clip: null });
    expect(await withClips(request("bmp"), await mediaFiles.bmp.make())).toMatchObject({ width: 96, clip: null });
  });

  test("the estimated memory of a PDF includes its library", async () => {
    const file = Buffer.from(await mediaFiles.pdf.make());
    const described = await describeBody(request("pdf"), file);
    expect(described).toMatchObject({ width: 96, height: 64, animated: null, durationMs: null, warning: null });
    expect(described).toMatchObject({ expectedBytes: file.length + 40e6, expectedMs: 0 });
    expect(described.blurhash).toHaveLength(28);
  });

  test("the picture in a bitmap or an icon is described, with the size in its header", async () => {
    const header = Buffer.alloc(54);
    header.write("BM");
    header.writeUInt32LE(54, 10);
    header.writeUInt32LE(40, 14);
    header.writeInt32LE(30, 18);
    header.writeInt32LE(20, 22);
    header.writeUInt32LE(5, 30); // a PNG
    const { blurhash } = await describeBody(request("png"), png);
    const described = await describeBody(request("bmp"), Buffer.concat([header, png]));
    const facts = { width: 30, height: 20, animated: false, durationMs: null };
    expect(described).toMatchObject({ ...facts, blurhash, warning: null, hashMs: 0, clip: null });
    expect(described.expectedBytes).toBe(png.length + 2100);
    for (const [inside, allowed, warning] of [
      [Buffer.alloc(99, 7), unlimited, "decode_failed"],
      [await mediaFiles.bmp.make(), unlimited, "decode_failed"], // only formats of libvips
      [png, { bytes: 5000, milliseconds: 1 }, "too_many_pixels"],
    ] as const) {
      const broken = await describeBody(request("bmp", { allowed }), Buffer.concat([header, inside]));
      expect(broken).toMatchObject({ ...facts, ...noHashes, warning });
    }
  });

  test.each<[string, Buffer]>([
    ["its cover is no picture", latin1("no picture")],
    ["it has no cover", Buffer.alloc(0)],
  ])("a song is not broken if %s", async (_, cover) => {
    const block = (type: number, content: Buffer) => Buffer.concat([Buffer.from([type, 0, content.length >> 8, content.length & 255]), content]); // prettier-ignore
    const stream = Buffer.alloc(34);
    stream.set([0x10, 0, 0x10, 0], 0);
    stream.set([0x0a, 0xc4, 0x42, 0xf0, 0, 0, 0xac, 0x44], 10); // 44.1 kHz, two channels, 16 bits, 44,100 samples
    const head = Buffer.from([0, 0, 0, 3, 0, 0, 0, 9]);
    const rest = Buffer.alloc(20);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(cover.length);
    const pictures =
      cover.length > 0 ? [block(6, Buffer.concat([head, latin1("image/png"), rest, length, cover]))] : [];
    const file = Buffer.concat([latin1("fLaC"), block(0, stream), ...pictures, block(0x81, Buffer.alloc(9)), Buffer.from([0xff, 0xf8, 0x69, 0x18])]); // prettier-ignore
    const described = await describeBody(request("flac"), file);
    expect(described).toMatchObject({ ...noFacts, durationMs: 1000, ...noPicture, warning: null });
  });

  test("a sound has its duration, with its declared length and by its frames", async () => {
    expect(sniff(wave("RIFF", 4000, 4000, 4000))!.name).toBe("wav");
    const wav = await describeBody(request("wav"), wave("RIFF", 4000, 4000, 4000));
    expect(wav).toMatchObject({ ...noFacts, durationMs: 500, ...noPicture, warning: null });
    const ac3 = await describeBody(request("ac3"), ac3Frames(50));
    expect(ac3).toMatchObject({ ...noFacts, durationMs: 1600, ...noPicture, warning: null });
    const head = await describeBody(request("ac3", { operation: "measure" }), ac3Frames(50));
    expect(head).toMatchObject({ ...noFacts, ...noPicture, warning: null });
  });

  test("a film whose read plan knows the duration alone has the size that its reader finds", async () => {
    const target = new BufferTarget();
    const output = new Output({ format: new WebMOutputFormat({ appendOnly: true }), target }); // without a duration
    const source = new EncodedVideoPacketSource("vp8");
    output.addVideoTrack(source);
    await output.start();
    const decoderConfig = { codec: "vp8", codedWidth: 320, codedHeight: 180 };
    for (const time of [0, 1]) await source.add(new EncodedPacket(Buffer.alloc(9), "key", time, 1), { decoderConfig });
    await output.finalize();
    const body = Buffer.from(target.buffer!);
    const file = { prefix: body, parts: [], length: body.length };
    expect(formatNamed("webm").plan.facts(file).known).toEqual({ durationMs: 1000 });
    const facts = { width: 320, height: 180, durationMs: 1000, ...noPicture, warning: null };
    expect(await describeBody(request("webm"), body)).toMatchObject(facts);
  });

  test("a film that its reader cannot read keeps the facts of its read plan", async () => {
    const broken = Buffer.from(byteFiles["a fragmented film"]!);
    broken[broken.indexOf("tkhd") + 4] = 255; // version
    const measured = await describeBody(request("mp4", { operation: "measure" }), broken);
    expect(measured).toMatchObject({ ...noFacts, width: 320, height: 180, ...noPicture, warning: "decode_failed" });
    const withoutTracks = byteFiles["a WebM of one cluster"]!;
    const described = await describeBody(request("webm"), withoutTracks);
    expect(described).toMatchObject({ ...noFacts, durationMs: 620, ...noPicture, warning: "decode_failed" });
  });

  test("a sound that its reader cannot read is broken", async () => {
    expect(await describeBody(request("amr"), latin1("#!AMR\n"))).toMatchObject({
      ...{ ...noFacts, ...noPicture, warning: "decode_failed" },
      ...{ expectedBytes: 0, expectedMs: 0 },
    });
  });
});
