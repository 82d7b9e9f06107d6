import { type Size, createSize } from "../raster.ts";
import { readUint16LE } from "./bytes.ts";

/** GIF89a specification, 18: the logical screen. */
export function readGifSize(head: Uint8Array): Size | null {
  return head.length < 10 ? null : createSize(readUint16LE(head, 6), readUint16LE(head, 8));
}
