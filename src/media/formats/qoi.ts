import { type Size, createSize } from "../raster.ts";
import { at, readUint32 } from "./bytes.ts";
import type { Row } from "./format.ts";
import { createWholePlan } from "./whole-plan.ts";

/** qoiformat.org, "header". */
export function readQoiSize(head: Uint8Array): Size | null {
  return head.length < 12 ? null : createSize(readUint32(head, 4), readUint32(head, 8));
}

export const qoi = {
  type: "image/qoi",
  kind: "image",
  matches: at(0, "qoif"), // qoiformat.org
  aliases: ["image/x-qoi"],
  readSize: readQoiSize,
  plan: createWholePlan({ readSize: readQoiSize, readAnimated: () => false, hasPreview: false }),
} as const satisfies Row;
