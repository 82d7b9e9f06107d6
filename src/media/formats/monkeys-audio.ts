import { hasAt, readUint16LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import { afterTag } from "./id3.ts";

// Monkey's Audio SDK, MACLib.h: the version times 1000. `MACF` has floating-point samples.
const versions = { least: 3000, most: 4999 };

function isMonkeysAudio(head: Uint8Array): boolean {
  const from = afterTag(head);
  if (!hasAt(head, from, "MAC ") && !hasAt(head, from, "MACF")) return false;
  const version = readUint16LE(head, from + 4);
  return version >= versions.least && version <= versions.most;
}

export const ape = {
  type: "audio/ape",
  kind: "audio",
  matches: isMonkeysAudio,
  aliases: ["audio/x-ape", "audio/x-monkeys-audio"],
} as const satisfies Row;
