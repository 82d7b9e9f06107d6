import sharp from "sharp";
import { expect, test } from "vitest";
import { type Head, isMedia, readHead } from "../../../../src/media/formats/head.ts";
import { sniffBytes } from "../../../../src/media/formats/sniff.ts";
import { formatNamed } from "../../../support/decoder.ts";
import { plain } from "../../../support/images.ts";

const picture = () => sharp(plain(123, 45, [1, 200, 3, 100]), { raw: { width: 123, height: 45, channels: 4 } });

/** All results for a body of which so many bytes arrive at a time. */
async function told(body: Uint8Array, step: number): Promise<(Head & { readonly asked: number })[]> {
  let came = 0;
  let asked = 0;
  const heads = [];
  const arrived = (bytes: number) => {
    asked += 1;
    while (came < bytes && came < body.length) came = Math.min(came + step, body.length);
    return Promise.resolve(body.subarray(0, came));
  };
  for await (const head of readHead(arrived)) heads.push({ ...head, asked });
  return heads;
}

test("type and size are read from the first bytes, in steps of any length", async () => {
  const body = await picture().png().toBuffer();
  for (const step of [1, 7, 100, 100_000]) {
    const heads = await told(body, step);
    expect(heads.at(-1)).toMatchObject({ format: { name: "png" }, size: { width: 123, height: 45 } });
  }
  const [first] = await told(body, 200);
  expect(first).toMatchObject({ format: { name: "png" }, size: { width: 123, height: 45 }, bytes: 200 });
});

test("a body that drips is not parsed again for each byte", async () => {
  const heads = await told(Buffer.alloc(30_000, 0x80), 1);
  expect(heads).toHaveLength(heads.at(-1)!.asked);
  expect(heads.length).toBeLessThan(50);
});

test("reading the head ends when the type is known and the size is known or impossible", async () => {
  const [end] = (
    await told(Buffer.concat([Buffer.from("GIF89a\x05\0\x06\0", "latin1"), Buffer.alloc(50_000)]), 1)
  ).slice(-1);
  expect(end).toMatchObject({ size: { width: 5, height: 6 }, bytes: sniffBytes });
  expect((await told(Buffer.from("x".repeat(50_000)), 1)).at(-1)).toMatchObject({ size: null, bytes: sniffBytes });
});

test("reading the head continues to a size after long segments, up to a limit", async () => {
  const jpeg = await picture().jpeg().toBuffer();
  const segment = Buffer.concat([Buffer.from([0xff, 0xe2, 0xff, 0xff]), Buffer.alloc(0xfffd)]);
  const behind = (segments: number) =>
    Buffer.concat([jpeg.subarray(0, 2), ...Array<Buffer>(segments).fill(segment), jpeg.subarray(2)]);
  expect((await told(behind(3), 1460)).at(-1)!.size).toEqual({ width: 123, height: 45 });
  expect((await told(behind(30), 1460)).at(-1)).toMatchObject({ size: null, bytes: expect.any(Number) });
  expect((await told(behind(30), 1460)).at(-1)!.bytes).toBeLessThan(300_000);
});

test("an empty body has neither format nor size", async () => {
  expect(await told(Buffer.alloc(0), 1)).toEqual([{ format: null, size: null, bytes: 0, asked: 1 }]);
});

test.each([
  ["a picture", "png", "image/png", true],
  ["a clip", "mp4", "video/mp4", true],
  ["a sound", "mp3", "audio/mpeg", true],
  ["a document", "pdf", "application/pdf", true],
  ["a page", "html", "text/html", false],
  ["an office file", "zip", "application/vnd.oasis.opendocument.text", false],
  ["unknown bytes with the Content-Type of a sound", null, "audio/mpeg", true],
  ["ciphertext", null, "application/octet-stream", false],
] as const)("%s is media: %s, %s: %s", (_, name, type, expected) => {
  expect(isMedia(name && formatNamed(name), type)).toBe(expected);
});
