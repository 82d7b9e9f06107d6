import { at } from "./bytes.ts";
import type { Row } from "./format.ts";
import { createWholePlan } from "./whole-plan.ts";

export const pdf = {
  type: "application/pdf",
  kind: "document",
  matches: at(0, "%PDF-"), // ISO 32000-1, 7.5.2
  aliases: ["application/x-pdf"],
  plan: createWholePlan({}),
  decoding: {
    setting: "pdf",
    reader: "pdf",
    libraryBytes: 40e6,
    bytesPerPixel: () => 0,
    nanosecondsPerPixel: () => 0,
    isUnpredictable: true, // the cost depends on the content of the page
    isAnimated: () => false,
  },
} as const satisfies Row;
