import { beforeAll, describe, expect, test } from "vitest";
import { sniff } from "../../../src/media/formats/sniff.ts";
import { ffmpeg, startDecoder } from "../../support/decoder.ts";
import { runFfmpeg } from "../../support/media-files.ts";
import { requires } from "../../support/require.ts";

const pictures = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=3"];
const vp8 = ["-c:v", "libvpx", "-b:v", "300k", "-deadline", "realtime", "-g", "25"];
const zeros = (bytes: number) => Buffer.alloc(bytes);
const segmentId = Buffer.from([0x18, 0x53, 0x80, 0x67]);
const cluster = Buffer.from([0x1f, 0x43, 0xb6, 0x75]);
const unknownElement = Buffer.concat([Buffer.from([0x42, 0x13, 0x80 + 60]), zeros(60)]);

/** Adds an element to the end of the segment, whose length has eight bytes. */
function appendToSegment(file: Buffer, element: Buffer): Buffer {
  const at = file.indexOf(segmentId) + segmentId.length;
  const grown = Buffer.concat([file, element]);
  grown.writeUIntBE(file.readUIntBE(at + 2, 6) + element.length, at + 2, 6);
  return grown;
}

/** Replaces the end of a file. */
const replaceEnd = (file: Buffer, end: Buffer) => Buffer.concat([file.subarray(0, -end.length), end]);

const junk: Readonly<Record<string, (files: { readonly webm: Buffer; readonly live: Buffer }) => Buffer>> = {
  "100 zeros behind a recording without lengths": ({ live }) => Buffer.concat([live, zeros(100)]),
  "nine bytes of text behind a recording without lengths": ({ live }) =>
    Buffer.concat([live, Buffer.from("123456789")]),
  "eight zeros behind a recording without lengths": ({ live }) => Buffer.concat([live, zeros(8)]),
  "11 MB of zeros behind a recording without lengths": ({ live }) => Buffer.concat([live, zeros(11_000_000)]),
  "zeros in the last third": ({ webm }) => replaceEnd(webm, zeros(Math.floor(webm.length / 3))),
  "an unknown element at the end of the segment": ({ webm }) => appendToSegment(webm, unknownElement),
  "a cluster with an invalid length": ({ live }) => Buffer.concat([live, cluster, zeros(32)]),
  "a cluster with an invalid length at the end of the segment": ({ webm }) =>
    appendToSegment(webm, Buffer.concat([cluster, zeros(32)])),
};

describe.skipIf(requires("ffmpeg", ffmpeg !== null))("the end of a WebM file", () => {
  let files: { readonly webm: Buffer; readonly live: Buffer };

  beforeAll(() => {
    const webm = runFfmpeg("a.webm", [...pictures, ...vp8]);
    files = { webm, live: runFfmpeg("a.webm", [...pictures, ...vp8, "-live", "1"]) };
  });

  test.for(Object.entries(junk))(
    "a WebM with %s has its dimensions and its preview",
    async ([, damage], { onTestFinished }) => {
      const decoder = await startDecoder(onTestFinished, { processes: 1 });
      const file = damage(files);
      const { width, height, blurhash, warning } = await decoder.describe(file, sniff(file)!);
      expect({ width, height, warning }).toEqual({ width: 320, height: 180, warning: null });
      expect(blurhash).toEqual(expect.any(String));
    },
  );
});
