import { type Size, createSize } from "../raster.ts";
import { at, createWorkBudget, readUint32 } from "./bytes.ts";
import type { Row } from "./format.ts";
import { boxes } from "./isobmff.ts";
import { createWholePlan } from "./whole-plan.ts";

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

export const jp2 = {
  type: "image/jp2",
  kind: "image",
  matches: at(0, [0, 0, 0, 12, 0x6a, 0x50, 0x20, 0x20, 13, 10, 0x87, 10]), // ITU-T T.800, I.5.1
  aliases: ["image/jpx", "image/jpm", "image/jpeg2000", "image/jpeg2000-image"],
  readSize: readJp2Size,
  plan: createWholePlan({ readSize: readJp2Size, hasPreview: false }),
} as const satisfies Row;

export const j2c = {
  type: "image/j2c",
  kind: "image",
  matches: at(0, [0xff, 0x4f, 0xff, 0x51]), // ITU-T T.800, A.4: start of codestream, then the size
  aliases: ["image/j2k", "image/x-j2c", "image/x-jp2-codestream", "image/jp2"],
  readSize: readJ2cSize,
  plan: createWholePlan({ readSize: readJ2cSize, readAnimated: () => false, hasPreview: false }),
} as const satisfies Row;
