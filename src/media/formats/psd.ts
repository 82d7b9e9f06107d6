import { type Size, createSize } from "../raster.ts";
import { any, at, readUint32 } from "./bytes.ts";
import type { Row } from "./format.ts";
import { createWholePlan } from "./whole-plan.ts";

/** Adobe Photoshop File Formats, "File Header Section". */
export function readPsdSize(head: Uint8Array): Size | null {
  return head.length < 22 ? null : createSize(readUint32(head, 18), readUint32(head, 14));
}

export const psd = {
  type: "image/vnd.adobe.photoshop",
  kind: "image",
  matches: any(at(0, "8BPS\0\x01"), at(0, "8BPS\0\x02")), // Adobe Photoshop File Formats: version 1, or 2 (PSB)
  aliases: ["image/x-psd", "image/psd", "application/x-photoshop", "application/photoshop"],
  readSize: readPsdSize,
  plan: createWholePlan({ readSize: readPsdSize, hasPreview: false }),
} as const satisfies Row;
