import { asBuffer, hasAt } from "./bytes.ts";
import type { Row } from "./format.ts";
import { createWholePlan } from "./whole-plan.ts";

// Adobe's readers accept the header within so many bytes (ISO 32000-1, annex H, note 13); PDFium counts all offsets from it.
const headerBytes = 1024;

/**
 * Whether a PDF begins at the start, or behind a byte order mark, newlines or the header of a printer job. A text about PDF is none: of
 * bytes that follow other text, the header must be a line of its own, with an object behind.
 */
function isPdf(head: Uint8Array): boolean {
  if (hasAt(head, 0, "%PDF-")) return true; // ISO 32000-1, 7.5.2
  const bytes = asBuffer(head);
  const at = bytes.subarray(0, headerBytes).indexOf("%PDF-");
  if (at < 0) return false;
  const before = bytes.toString("latin1", 0, at);

  if (/^(?:ï»¿)?[\0\s]*$/.test(before)) return true;
  return /[\r\n]$/.test(before) && /^%PDF-\d\.\d\s[^]*\d \d+ obj\b/.test(bytes.toString("latin1", at));
}

export const pdf = {
  type: "application/pdf",
  kind: "document",
  matches: isPdf,
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
