import { getPriority } from "node:os";
import sharp, { type Sharp } from "sharp";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { allIdle, formatNamed, startAllWorkers, startDecoder } from "../../support/decoder.ts";
import { noise } from "../../support/images.ts";

const picture = () => sharp(noise(64, 64, 1), { raw: { width: 64, height: 64, channels: 4 } });
const jpeg = formatNamed("jpeg");
const photo = await picture().jpeg().toBuffer();
const slowPicture = Buffer.concat([photo, Buffer.alloc(6 * 1024 ** 2)]); // too large for the quick lane

const pids = (decoder: Decoder) => decoder.children.map(({ pid }) => pid);
const isSlow = (pid: number) => getPriority(pid) > getPriority();

test("a burst starts all workers, and after their idle time one is left, which decodes the next picture", async ({
  onTestFinished,
}) => {
  const reasons: string[] = [];
  const options = { idleMs: 1000, maxWaiting: 1000, onFailedStart: (reason: string) => reasons.push(reason) };
  const decoder = await startDecoder(onTestFinished, options);
  expect(pids(decoder)).toHaveLength(1);
  await startAllWorkers(decoder, 3);
  await vi.waitFor(() => expect(pids(decoder)).toHaveLength(1), 20_000);
  const [warm] = pids(decoder);
  expect(isSlow(warm!)).toBe(false);
  expect(await decoder.describe(photo, jpeg)).toMatchObject({ width: 64, warning: null });
  expect(pids(decoder)).toEqual([warm]);
  expect(decoder).toMatchObject({ restarts: 0, isReady: true });
  expect(reasons).toEqual([]);
});

test("a picture for the slow lane starts its worker, which has a lower priority, and gets its hashes", async ({
  onTestFinished,
}) => {
  const decoder = await startDecoder(onTestFinished);
  const [warm] = pids(decoder);
  const described = await decoder.describe(slowPicture, jpeg);
  expect(described).toMatchObject({ width: 64, height: 64, warning: null });
  expect(described.blurhash).toHaveLength(28);
  await allIdle(decoder);
  expect(pids(decoder)).toHaveLength(2);
  expect(pids(decoder).filter(isSlow)).toHaveLength(1);
  expect(isSlow(warm!)).toBe(false);
});

const asAvif = (quality: number) => (picture: Sharp) => picture.avif({ quality, effort: 0 });
const asProgressive = (picture: Sharp) => picture.jpeg({ progressive: true });

test.each([
  ["a small AVIF is quick", "avif", 640, 480, 5, asAvif(50), false],
  ["a large AVIF is slow", "avif", 2400, 1800, 5, asAvif(50), true],
  ["a small AVIF of many bytes is slow", "avif", 640, 480, null, asAvif(100), true],
  ["a progressive JPEG of 2.8 megapixels is quick", "jpeg", 1920, 1440, 2, asProgressive, false],
  ["a progressive JPEG of 12 megapixels is slow", "jpeg", 4000, 3000, 2, asProgressive, true],
  ["a progressive JPEG of 2.8 megapixels and many bytes is slow", "jpeg", 1920, 1440, null, asProgressive, true],
] as const)("%s", async (_, format, width, height, blur, encode, needsSlowLane) => {
  const decoder = await startDecoder(onTestFinished);
  const pixels = sharp(noise(width, height, 1), { raw: { width, height, channels: 4 } }).removeAlpha();
  const file = await encode(blur === null ? pixels : pixels.blur(blur)).toBuffer();
  expect(await decoder.describe(file, formatNamed(format))).toMatchObject({ width, height, warning: null });
  expect(pids(decoder).some(isSlow)).toBe(needsSlowLane);
});

test("one picture after another needs no second worker", async ({ onTestFinished }) => {
  const decoder = await startDecoder(onTestFinished);
  for (let count = 0; count < 20; count += 1) expect((await decoder.describe(photo, jpeg)).warning).toBeNull();
  expect(pids(decoder)).toHaveLength(1);
});

test("a decoder that is closed while idle workers wait for their end leaves no process", async ({ onTestFinished }) => {
  const decoder = await startDecoder(onTestFinished, { idleMs: 1000 });
  await decoder.describe(slowPicture, jpeg);
  const started = pids(decoder);
  expect(started).toHaveLength(2);
  await decoder.close();
  await vi.waitFor(() => {
    for (const pid of started) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  }, 10_000);
});
