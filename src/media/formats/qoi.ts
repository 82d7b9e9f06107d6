import { type Size, createSize } from "../raster.ts";
import { readUint32 } from "./bytes.ts";

/** qoiformat.org, "header". */
export function readQoiSize(head: Uint8Array): Size | null {
  return head.length < 12 ? null : createSize(readUint32(head, 4), readUint32(head, 8));
}
