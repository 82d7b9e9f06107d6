import { type Size, createSize } from "../raster.ts";
import { createWorkBudget, readUint32 } from "./bytes.ts";
import { boxes } from "./isobmff.ts";

/** ITU-T T.800, I.5.3.1: the image header of a JPEG 2000 file. */
export function readJp2Size(head: Uint8Array): Size | null {
  const work = createWorkBudget();
  for (const { type, start, end } of boxes(head, 0, head.length, work)) {
    if (type !== "jp2h") continue;
    for (const { type, start: at } of boxes(head, start, end, work)) {
      if (type === "ihdr") return createSize(readUint32(head, at + 4), readUint32(head, at));
    }
  }
  return null;
}

/** ITU-T T.800, A.5.1: the grid, less what lies before the picture on it. */
export function readJ2cSize(head: Uint8Array): Size | null {
  if (head.length < 24) return null;
  return createSize(readUint32(head, 8) - readUint32(head, 16), readUint32(head, 12) - readUint32(head, 20));
}
