import { hasAt, readUint16LE, readUint32LE } from "./bytes.ts";
import type { Row } from "./format.ts";
import { createSoundPlan, createFacts, needFacts } from "./header-facts.ts";
import { audio } from "./tracks.ts";

// True Audio 1: 1 is PCM, 2 is PCM behind a password.
const formats = [1, 2];
const headerBytes = 22;

function isTta(head: Uint8Array): boolean {
  const [channels, rate] = [readUint16LE(head, 6), readUint32LE(head, 10)];
  return hasAt(head, 0, "TTA1") && formats.includes(readUint16LE(head, 4)) && channels > 0 && rate > 0;
}

const ttaPlan = createSoundPlan((file) => {
  if (file.prefix.length < headerBytes) return needFacts(file, headerBytes);
  return createFacts(readUint32LE(file.prefix, 14) / readUint32LE(file.prefix, 10));
});

export const tta = {
  type: "audio/x-tta",
  kind: "audio",
  matches: isTta,
  aliases: ["audio/tta"],
  plan: ttaPlan,
  decoding: { ...audio, reader: "headers" },
} as const satisfies Row;
