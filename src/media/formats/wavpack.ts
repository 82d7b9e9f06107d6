import { hasAt, readUint16LE } from "./bytes.ts";
import type { Row } from "./format.ts";

// WavPack 4 and 5 file format: the versions of a block.
const versions = { least: 0x402, most: 0x410 };

function isWavPack(head: Uint8Array): boolean {
  const version = readUint16LE(head, 8);
  return hasAt(head, 0, "wvpk") && version >= versions.least && version <= versions.most;
}

export const wavpack = {
  type: "audio/wavpack",
  kind: "audio",
  matches: isWavPack,
  aliases: ["audio/x-wavpack"],
} as const satisfies Row;
