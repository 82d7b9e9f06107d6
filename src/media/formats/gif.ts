import { type Size, createSize } from "../raster.ts";
import { any, at, readUint16LE } from "./bytes.ts";
import type { Row } from "./format.ts";

/** GIF89a specification, 18: the logical screen. */
export function readGifSize(head: Uint8Array): Size | null {
  return head.length < 10 ? null : createSize(readUint16LE(head, 6), readUint16LE(head, 8));
}

export const gif = {
  type: "image/gif",
  kind: "image",
  matches: any(at(0, "GIF87a"), at(0, "GIF89a")), // GIF89a specification, 17
  readSize: readGifSize,
  decoding: {
    setting: "gif",
    loader: "VipsForeignLoadNsgif",
    bytesPerPixel: () => 4.8,
    nanosecondsPerPixel: () => 15,
    isAnimated: ({ pages }) => pages > 1,
  },
} as const satisfies Row;
