import { hasAt, readUint16LE, readUint32LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import { afterTag } from "./id3.ts";
import { createSoundPlan, factsOf, needFacts } from "./header-facts.ts";
import { audio } from "./tracks.ts";

// True Audio 1: 1 is PCM, 2 is PCM behind a password.
const formats = [1, 2];
const headerBytes = 22;

function isTta(head: Uint8Array): boolean {
  const from = afterTag(head);
  const [channels, rate] = [readUint16LE(head, from + 6), readUint32LE(head, from + 10)];
  return hasAt(head, from, "TTA1") && formats.includes(readUint16LE(head, from + 4)) && channels > 0 && rate > 0;
}

const ttaPlan = createSoundPlan((file) => {
  const from = afterTag(file.prefix);
  if (file.prefix.length < from + headerBytes) return needFacts(file, 0, from + headerBytes);
  return factsOf(readUint32LE(file.prefix, from + 14) / readUint32LE(file.prefix, from + 10));
});

export const tta = {
  type: "audio/x-tta",
  kind: "audio",
  matches: isTta,
  aliases: ["audio/tta"],
  plan: ttaPlan,
  decoding: { ...audio, reader: "headers" },
} as const satisfies Row;
