import { type Size, createSize } from "../raster.ts";
import { hasAt, readUint16LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import { riff } from "./riff.ts";

/** RFC 9649: 2.7 the extended header, 3.4 lossless, and RFC 6386 9.1 for lossy. */
export function readWebpSize(head: Uint8Array): Size | null {
  const [a = 0, b = 0, c = 0, d = 0] = head.subarray(21, 25);
  if (hasAt(head, 12, "VP8L") && head[20] === 0x2f && head.length >= 25) {
    return createSize(1 + a + ((b & 0x3f) << 8), 1 + (b >> 6) + (c << 2) + ((d & 15) << 10));
  }
  if (hasAt(head, 12, "VP8 ") && hasAt(head, 23, [0x9d, 1, 0x2a])) {
    return createSize(readUint16LE(head, 26) & 0x3fff, readUint16LE(head, 28) & 0x3fff);
  }
  // Its orientation stands behind the picture.
  const hasExif = ((head[20] ?? 0) & 8) !== 0;
  if (!hasAt(head, 12, "VP8X") || hasExif || head.length < 30) return null;
  return createSize(
    1 + readUint16LE(head, 24) + (head[26] ?? 0) * 65536,
    1 + readUint16LE(head, 27) + (head[29] ?? 0) * 65536,
  );
}

export const webp = {
  type: "image/webp",
  kind: "image",
  matches: riff("WEBP"), // RFC 9649 2.4
  readSize: readWebpSize,
  decoding: {
    setting: "webp",
    loader: "VipsForeignLoadWebp",
    // 4.3 if lossless, 2.4 with alpha; both have another first chunk than a plain lossy one.
    bytesPerPixel: ({ head }) => (hasAt(head, 12, "VP8 ") ? 0.05 : 4.3),
    nanosecondsPerPixel: () => 30,
    isAnimated: ({ pages }) => pages > 1,
  },
} as const satisfies Row;
