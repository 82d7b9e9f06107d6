import { expect, test } from "vitest";
import type { Container } from "../../../../../src/media/protocol.ts";
import { reader } from "../../../../../src/media/worker/readers/headers.ts";
import * as streams from "../../../../support/stream-heads.ts";

const isAudio = { width: null, height: null, animated: null };
const asfVideo = streams.asfHeader(streams.asfStream("video", 320, 180), streams.asfFile(1500));
const withSize = (pack: Buffer, isMpeg2: boolean) =>
  Buffer.concat([pack, streams.sequenceHeader(720, 576, 1, isMpeg2)]);

test.each<[string, Buffer, object]>([
  ["Windows Media", asfVideo, { width: 320, height: 180, animated: null, durationMs: 1500 }],
  ["MPEG video", withSize(streams.mpeg1Pack, false), { width: 720, height: 576, animated: null, durationMs: null }],
  ["WavPack", streams.wavpackBlock(66_150), { ...isAudio, durationMs: 1500 }],
])("the header of %s has the facts of the file", async (_, body, facts) => {
  expect(await reader.measure!(body, true)).toEqual(facts);
});

test("the duration of a sound without a declared length needs the whole file", async () => {
  const body = Buffer.concat([streams.auHeader(0xffffffff), Buffer.alloc(16_000)]);
  expect(await reader.measure!(body, true)).toEqual({ ...isAudio, durationMs: 500 });
  expect(await reader.measure!(body, false)).toEqual({ ...isAudio, durationMs: null });
});

test.each<[Container, Buffer]>([
  ["asf", asfVideo],
  ["mpeg", withSize(streams.mpeg2Pack, true)],
  ["mpeg", withSize(streams.mpeg1Pack, false)],
  ["mpegvideo", streams.sequenceHeader(720, 576, 1, true)],
])("the clip of a film in the container %s is its first bytes", async (container, body) => {
  expect(await reader.cut!(body)).toEqual({ bytes: new Uint8Array(body), container, rotation: 0 });
});

test.each<[string, Buffer]>([
  ["a sound", streams.wavpackBlock(66_150)],
  ["Windows Media without a size", streams.asfHeader(streams.asfStream("audio"), streams.asfFile(1500))],
  ["a film of another codec", Buffer.concat([streams.mpeg2Pack, Buffer.alloc(1000, 1)])],
])("%s has no clip", async (_, body) => {
  expect(await reader.cut!(body)).toBeNull();
});

test("bytes of no known format are rejected", async () => {
  await expect(reader.measure!(Buffer.alloc(50, 7), true)).rejects.toThrow("no header");
  await expect(reader.cut!(Buffer.alloc(50, 7))).rejects.toThrow("no header");
  expect(await reader.show(Buffer.alloc(50, 7))).toBeNull();
});
