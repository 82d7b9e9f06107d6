import { hasAt, readUint16LE, readUint32LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import { afterTag } from "./id3.ts";

// True Audio 1: 1 is PCM, 2 is PCM behind a password.
const formats = [1, 2];

function isTta(head: Uint8Array): boolean {
  const from = afterTag(head);
  const [channels, rate] = [readUint16LE(head, from + 6), readUint32LE(head, from + 10)];
  return hasAt(head, from, "TTA1") && formats.includes(readUint16LE(head, from + 4)) && channels > 0 && rate > 0;
}

export const tta = {
  type: "audio/x-tta",
  kind: "audio",
  matches: isTta,
  aliases: ["audio/tta"],
} as const satisfies Row;
