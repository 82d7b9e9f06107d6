import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, expect, onTestFinished, test, vi } from "vitest";
import { type Decoder, type DecoderOptions, createDecoder } from "../../../../src/media/decode/decoder.ts";
import { decodableFormats, formats } from "../../../../src/media/formats/index.ts";
import { requestBytes } from "../../../../src/media/protocol.ts";
import { formatNamed } from "../../../support/decoder.ts";

const mebibyte = 1024 ** 2;
const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
afterAll(() => rmSync(folder, { recursive: true }));

const blurhash = "LEHV6nWB2yk8pyo0adR*.7kCMdnj";
const entry = join(folder, "worker.mjs");

// A program in the place of the worker's. Its settings are the version of libvips. It answers a request with its
// operation, its format and the memory budget as width, height and duration; a bitmap has a hash, and its text as the time
// of that. A body that begins with "film" has a clip; one that begins with "hang" has no answer.
writeFileSync(
  entry,
  `import { readSync, writeSync } from "node:fs";
  const settings = JSON.parse(process.argv[2]);
  writeSync(3, JSON.stringify({ libvips: [...settings.formats, settings.clips].join("+") }) + "\\n");
  const receive = (bytes) => {
    const buffer = Buffer.alloc(bytes);
    for (let at = 0; at < bytes;) {
      const count = readSync(3, buffer, at, bytes - at);
      if (count === 0) process.exit();
      at += count;
    }
    return buffer;
  };
  for (;;) {
    const header = receive(${requestBytes});
    const [number, operation, format, bytes, allowedBytes] = [0, 1, 2, 3, 4].map((at) => header.readDoubleLE(8 * at));
    writeSync(3, JSON.stringify({ taken: number }) + "\\n");
    const body = receive(bytes);
    const start = body.toString("latin1", 0, 4);
    if (start === "hang") continue;
    const isBitmap = start.startsWith("BM") && format === ${formats.indexOf(formatNamed("bmp"))};
    const clip = start === "film" ? "clip" : "";
    writeSync(3, JSON.stringify({
      ...{ number, width: operation + 1, height: format + 1, animated: null, durationMs: Math.floor(allowedBytes) },
      ...{ blurhash: isBitmap ? ${JSON.stringify(blurhash)} : null, thumbhash: null, thumbnail: null },
      ...{ warning: start === "fail" ? "decode_failed" : null, expectedBytes: 1, expectedMs: 1, decodeMs: 5 },
      hashMs: isBitmap ? Number(body.toString("latin1", 6)) || 0 : 2,
      ...{ clipBytes: clip.length, container: "avi", rotation: 0, rssBytes: 1 },
    }) + "\\n" + clip);
  }`,
);

// A program in the place of ffmpeg: a bitmap of 40 bytes, with the memory limit of the process (KiB).
const ffmpeg = join(folder, "ffmpeg");
writeFileSync(ffmpeg, `#!/bin/sh\nprintf 'BM\\050\\0\\0\\0%-34s' "$(ulimit -d)"\n`, { mode: 0o755 });

afterEach(() => void vi.useRealTimers());

const decodeBytes = 400 * mebibyte;

function create(options: Partial<DecoderOptions> = {}): Decoder {
  const decoder = createDecoder({
    entry: pathToFileURL(entry),
    processes: 2,
    idleMs: 60_000,
    decodeTimeoutMs: 30_000,
    decodeBytes,
    maxWaiting: 9,
    formats: ["jpeg", "png", "svg", "video"],
    ffmpeg: null,
    onFailedStart: () => undefined,
    ...options,
  });
  onTestFinished(() => decoder.close());
  return decoder;
}

const budgetOf = { quick: 50 * mebibyte, slow: 300 * mebibyte }; // of the two quick workers, and of the slow one
const indexOf = (name: Parameters<typeof formatNamed>[0]) => formats.indexOf(formatNamed(name)) + 1;
const text = (start: string, bytes = start.length) => Buffer.alloc(bytes, start, "latin1");

test.each([
  ["with ffmpeg, which makes bitmaps", { ffmpeg }, "jpeg+png+svg+video+bmp+true", true],
  ["with ffmpeg, if bitmaps are decoded anyway", { ffmpeg, formats: ["bmp", "video"] }, "bmp+video+true", true],
  ["without ffmpeg", {}, "jpeg+png+svg+video+false", false],
  ["with ffmpeg, if no videos are decoded", { ffmpeg, formats: ["png"] }, "png+false", false],
] as const)("a worker gets its formats, and whether to cut clips: %s", async (_, options, settings, poster) => {
  const decoder = create(options);
  expect(decoder.libvips).toBeNull();
  await decoder.start();
  expect(decoder.libvips?.split("+").toSorted()).toEqual(settings.split("+").toSorted());
  const enabled: readonly string[] = "formats" in options ? options.formats : ["jpeg", "png", "svg", "video"];
  const expected = decodableFormats.map((name) => [name, enabled.includes(name)]);
  expect(decoder.enabled).toEqual({ ...Object.fromEntries(expected), poster });
});

test("a body is decoded in the quick lane, or in the slow one if it is large or of unpredictable cost", async () => {
  const decoder = create();
  await decoder.start();
  const png = { width: 2, height: indexOf("png"), warning: null, decodeMs: 5, hashMs: 2 };
  expect(await decoder.describe(text("png"), formatNamed("png"))).toMatchObject({ ...png, durationMs: budgetOf.quick });
  expect(await decoder.measure(text("png"), formatNamed("png"))).toMatchObject({ ...png, width: 1 });
  const large = text("png", 5 * mebibyte + 1);
  expect(await decoder.describe(large, formatNamed("png"))).toMatchObject({ ...png, durationMs: budgetOf.slow });
  const svg = { width: 2, height: indexOf("svg"), durationMs: budgetOf.slow };
  expect(await decoder.describe(text("svg"), formatNamed("svg"))).toMatchObject(svg);
});

test("a body of a disabled format is only measured, in a lane by its size, and without a warning", async () => {
  const decoder = create();
  await decoder.start();
  const gif = { width: 1, height: indexOf("gif"), warning: null, decodeTimeoutCause: null };
  const describe = (body: Uint8Array) => decoder.describe(body, formatNamed("gif"));
  expect(await describe(text("gif"))).toMatchObject({ ...gif, durationMs: budgetOf.quick });
  expect(await describe(text("fail", 5 * mebibyte + 1))).toMatchObject({ ...gif, durationMs: budgetOf.slow });
  expect(await decoder.describe(text("zip"), formatNamed("zip"))).toMatchObject({ width: null, height: null, decodeMs: 0 }); // prettier-ignore
});

test("the poster of a video is decoded within a quarter of the memory budget and 64 MiB", async () => {
  const decoder = create({ ffmpeg });
  await decoder.start();
  const video = await decoder.describe(text("film"), formatNamed("mp4"));
  const facts = { width: 2, height: indexOf("mp4"), blurhash, warning: null };
  expect(video).toMatchObject(facts);
  expect(video).not.toHaveProperty("clip");
  expect(video.hashMs).toBe(2 + (decoder.walls.includes("prlimit") ? 164 * 1024 : 0));
});

test("a clip that comes although there is no ffmpeg is a failed poster", async () => {
  const decoder = create();
  await decoder.start();
  const video = await decoder.describe(text("film"), formatNamed("mp4"));
  expect(video).toMatchObject({ width: 2, blurhash: null, warning: "decode_failed" });
});

test("the expected time of a picture is the mean time of a quick one, divided by the workers of the quick lane", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const decoder = create({ processes: 4 });
  await decoder.start();
  const described = decoder.describe(text("png"), formatNamed("png"));
  vi.advanceTimersByTime(100);
  await described;
  expect(decoder.expectedMs).toBeCloseTo(10 / 4); // the first sample has a weight of a tenth
});

test("an idle worker of each lane is checked every 5 s, which does not keep it from ending, until the decoder is closed", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout", "performance"] });
  const decoder = create({ processes: 1, idleMs: 7000 });
  const states = () => decoder.children.map(({ state }) => state);
  const ended = async () => {
    while (decoder.busy > 0) await new Promise(setImmediate);
  };
  await decoder.start();
  expect([decoder.isReady, decoder.busy, decoder.waiting, decoder.restarts]).toEqual([true, 0, 0, 0]);
  vi.advanceTimersByTime(4999);
  expect(states()).toEqual(["idle"]);
  vi.advanceTimersByTime(1);
  expect([states(), decoder.waiting]).toEqual([["busy"], 0]); // the slow lane has no worker
  await ended();
  const slow = decoder.describe(text("svg"), formatNamed("svg"));
  vi.advanceTimersByTime(1); // its worker starts
  await slow;
  vi.advanceTimersByTime(4999);
  expect([states(), decoder.waiting]).toEqual([["busy", "busy"], 0]);
  await ended();
  vi.advanceTimersByTime(2000);
  expect(states()).toEqual(["idle", "idle"]);
  vi.advanceTimersByTime(1); // 7 s after the last work of the slow one
  expect(states()).toEqual(["idle", "leaving"]);
  await decoder.close();
  expect(vi.getTimerCount()).toBe(0);
});

test("a decoder that is closed is not ready, and its pictures are decode_timeout", async () => {
  const decoder = create();
  await decoder.start();
  const hanging = decoder.describe(text("hang"), formatNamed("png"));
  expect(decoder.busy).toBe(1);
  const closed = decoder.close();
  expect(decoder.isReady).toBe(false);
  const closing = { warning: "decode_timeout", decodeTimeoutCause: "closing" };
  expect(await decoder.describe(text("png"), formatNamed("png"))).toMatchObject(closing);
  expect(await hanging).toMatchObject(closing);
  await closed;
  expect(decoder.children).toEqual([]);
});

test("a decoder whose workers do not start is closed", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const decoder = create({ entry: pathToFileURL(join(folder, "missing.mjs")) });
  await expect(decoder.start()).rejects.toThrow(/^the processes that decode pictures cannot start: .*missing\.mjs/s);
  expect([decoder.isReady, decoder.libvips, vi.getTimerCount()]).toEqual([false, null, 0]);
});
