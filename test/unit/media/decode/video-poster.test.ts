import { expect, test } from "vitest";
import { type Picture, pictureOf, unknownPicture } from "../../../../src/media/decode/picture.ts";
import type { Poster } from "../../../../src/media/decode/poster.ts";
import { addPoster } from "../../../../src/media/decode/video-poster.ts";
import type { Clip, WorkerAnswer } from "../../../../src/media/protocol.ts";

const { clip: _, ...unknown } = unknownPicture;
const video: Picture = { ...unknown, width: 96, height: 64, durationMs: 2000, queueMs: 10, decodeMs: 20, hashMs: 30 };
const cover = { blurhash: "cover", thumbhash: "c", thumbnail: "d" };
const hashes = { blurhash: "frame", thumbhash: "t", thumbnail: "u" };
const frame: Picture = { ...unknown, ...hashes, width: 512, height: 341, queueMs: 100, decodeMs: 200, hashMs: 300 };
const clip: Clip = { bytes: Uint8Array.of(1), container: "mov", rotation: 90 };

/** Adds a poster to a video, and records the request to each step. */
async function add(to: Picture, poster: Poster, described = frame) {
  const [clips, bitmaps]: [unknown[], unknown[]] = [[], []];
  const began = performance.now();
  const picture = await addPoster(to, clip, {
    readPoster: (asked) => Promise.resolve(poster).finally(() => clips.push(asked)),
    describeBitmap: (asked) => Promise.resolve(described).finally(() => bitmaps.push(asked)),
  });
  return { picture, clips, bitmaps, elapsedMs: performance.now() - began };
}

test("a video gets the hashes of its poster, keeps its own size, and its times are the sums", async () => {
  const bitmap = Uint8Array.of(5);
  const { picture, clips, bitmaps, elapsedMs } = await add(video, bitmap);
  const { decodeMs, ...rest } = picture;
  expect(rest).toEqual({
    ...{ ...hashes, width: 96, height: 64, durationMs: 2000, animated: null, warning: null, decodeTimeoutCause: null },
    ...{ queueMs: 110, hashMs: 330 },
  });
  expect(decodeMs).toBeGreaterThanOrEqual(220);
  expect(decodeMs).toBeLessThanOrEqual(220 + elapsedMs);
  expect(clips).toEqual([{ ...clip, displayed: { width: 96, height: 64 } }]);
  expect(bitmaps).toEqual([bitmap]);
});

test.each<[Poster, object]>([
  ["failed", { warning: "decode_failed", decodeTimeoutCause: null }],
  ["too_late", { warning: "decode_timeout", decodeTimeoutCause: "poster" }],
])("a poster that is %s is a warning, unless the video has a cover", async (poster, warning) => {
  expect((await add(video, poster)).picture).toEqual({ ...video, ...warning });
  const withCover = { ...video, ...cover };
  expect((await add(withCover, poster)).picture).toEqual(withCover);
});

test.each([
  { width: null, height: 64 },
  { width: 96, height: null },
])("a video without a size has no poster: %o", async (size) => {
  const { picture, clips } = await add({ ...video, ...size }, Uint8Array.of(5));
  expect(picture).toEqual({ ...video, ...size, warning: "decode_failed" });
  expect(clips).toEqual([]);
});

test("a poster that cannot be described leaves the hashes of the cover, with its warning", async () => {
  const late: Picture = { ...unknown, warning: "decode_timeout", decodeTimeoutCause: "lane_full", queueMs: 1 };
  const { picture } = await add({ ...video, ...cover }, Uint8Array.of(5), late);
  expect(picture).toMatchObject({ ...cover, width: 96, warning: "decode_timeout", decodeTimeoutCause: "lane_full", queueMs: 11 }); // prettier-ignore
});

test("the answer of a worker becomes a picture without the worker's own fields, and a clip if there is one", () => {
  const facts = {
    width: 5,
    height: 4,
    animated: false,
    durationMs: 9,
    warning: null,
    decodeMs: 1,
    hashMs: 2,
    ...hashes,
  };
  const own = { number: 1, expectedBytes: 1, expectedMs: 1, rssBytes: 1, container: "ogg", rotation: 180 } as const;
  const answer: WorkerAnswer = { ...facts, ...own, clipBytes: 0 };
  expect(pictureOf(answer, new Uint8Array())).toEqual({ ...facts, clip: null });
  const bytes = Uint8Array.of(8);
  const withClip = { ...facts, clip: { bytes, container: "ogg", rotation: 180 } };
  expect(pictureOf({ ...answer, clipBytes: 1 }, bytes)).toEqual(withClip);
});
