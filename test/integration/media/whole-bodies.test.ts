import { createHash } from "node:crypto";
import sharp from "sharp";
import { expect, onTestFinished, test } from "vitest";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { createCachedService } from "../../support/cached-service.ts";
import { formatNamed, startDecoder } from "../../support/decoder.ts";
import { noise, photo } from "../../support/images.ts";
import { startOrigin } from "../../support/origin.ts";

/** A metadata block of a FLAC file (RFC 9639, 8.1). */
function flacBlock(type: number, content: Buffer, isLast = false): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(content.length);
  header[0] = type + (isLast ? 128 : 0);
  return Buffer.concat([header, content]);
}

const text = (value: string) => Buffer.concat([uint32(value.length), Buffer.from(value)]);

function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32BE(value, 4 * index));
  return bytes;
}

/** Three seconds of a FLAC with a cover, and two megabytes that stand for its frames. */
function flacWithCover(cover: Buffer): Buffer {
  const info = Buffer.alloc(34);
  info.set([0x0a, 0xc4, 0x42, 0xf0, 0, 2, 4, 0xcc], 10); // 44.1 kHz, 2 channels, 16 bits, 132,300 samples
  const picture = Buffer.concat([
    uint32(3), // front cover
    text("image/jpeg"),
    text(""),
    uint32(0, 0, 0, 0, cover.length),
    cover,
  ]);
  return Buffer.concat([Buffer.from("fLaC"), flacBlock(0, info), flacBlock(6, picture, true), Buffer.alloc(2e6, 1)]);
}

/** Looks up a file; returns its metadata, and the number of bytes of each file that a worker got. */
async function lookUp(file: Buffer) {
  const decoder = await startDecoder(onTestFinished);
  const sizes: number[] = [];
  const recorded = Object.create(decoder, {
    describe: {
      value: (...[bytes, ...others]: Parameters<Decoder["describe"]>) => {
        sizes.push(bytes.byteLength);
        return decoder.describe(bytes, ...others);
      },
    },
  }) as Decoder;
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end(file));
  const metadata = await createCachedService(recorded, { maxBytes: file.length }).ask(origin.url("/a")).done;
  return { decoder, metadata, sizes };
}

/** A GIF of twenty frames of noise, 1.5 MB. */
function animatedGif(): Promise<Buffer> {
  const raw = { width: 240, height: 240 * 20, channels: 3, pageHeight: 240 } as const;
  return sharp(noise(raw.width, raw.height, 1), { raw })
    .gif()
    .toBuffer();
}

const cover = await photo(320, 240).jpeg().toBuffer();

test.each([
  ["a FLAC with a cover", "flac", flacWithCover(cover), { type: "audio/flac", durationMs: 3000, width: null }],
  ["an animated GIF", "gif", await animatedGif(), { type: "image/gif", width: 240, height: 240, animated: true }],
] as const)(
  "of %s the worker gets only the part with the preview, though the file is read whole",
  async (_, name, file, facts) => {
    const { decoder, metadata, sizes } = await lookUp(file);
    const whole = await decoder.describe(file, formatNamed(name));
    expect(metadata).toMatchObject({ ...facts, bytes: file.length, bytesSource: "counted", warnings: [] });
    expect(metadata.sha256).toBe(createHash("sha256").update(file).digest("hex"));
    expect(metadata.blurhash).not.toBeNull();
    expect(metadata.blurhash).toBe(whole.blurhash);
    expect(metadata.thumbhash).toBe(whole.thumbhash);
    expect(sizes).toEqual([expect.toSatisfy((bytes: number) => bytes < file.length / 4)]);
  },
);

test("a FLAC whose cover cannot be decoded is decoded whole, and keeps its facts", async () => {
  const file = flacWithCover(Buffer.from("\xff\xd8\xff a JPEG that ends here", "latin1"));
  const { metadata, sizes } = await lookUp(file);
  expect(metadata).toMatchObject({ type: "audio/flac", durationMs: 3000, blurhash: null, warnings: [] });
  expect(sizes).toEqual([expect.toSatisfy((bytes: number) => bytes < 1000), file.length]);
});
