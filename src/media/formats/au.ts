import { hasAt, readUint32 } from "./bytes.ts";
import type { Row } from "./format.ts";

// Sun and NeXT, <multimedia/audio_filehdr.h>: the encodings have the numbers 1 to 27.
const maxEncoding = 27;
const minHeaderBytes = 24;

function isAu(head: Uint8Array): boolean {
  const [dataAt, encoding, rate, channels] = [4, 12, 16, 20].map((offset) => readUint32(head, offset)) as [
    number,
    number,
    number,
    number,
  ];
  const isHeader = hasAt(head, 0, ".snd") && dataAt >= minHeaderBytes;
  return isHeader && encoding >= 1 && encoding <= maxEncoding && rate > 0 && channels > 0 && channels < 256;
}

export const au = {
  type: "audio/basic",
  kind: "audio",
  matches: isAu,
  aliases: ["audio/au", "audio/x-au", "audio/snd"],
} as const satisfies Row;
