import { type Size, createSize } from "../raster.ts";
import { readUint32 } from "./bytes.ts";

/** Adobe Photoshop File Formats, "File Header Section". */
export function readPsdSize(head: Uint8Array): Size | null {
  return head.length < 22 ? null : createSize(readUint32(head, 18), readUint32(head, 14));
}
