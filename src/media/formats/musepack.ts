import { hasAt } from "./bytes.ts";
import type { Row } from "./format.ts";
import { afterTag } from "./id3.ts";

const streamVersion7 = 7;

/** musepack.net: stream version 7 (its low nibble), or version 8, which begins with a packet: a key of two letters. */
function isMusepack(head: Uint8Array): boolean {
  const from = afterTag(head);
  if (hasAt(head, from, "MP+")) return ((head[from + 3] ?? 0) & 15) === streamVersion7;
  const isLetter = (byte = 0) => byte >= 0x41 && byte <= 0x5a;
  return hasAt(head, from, "MPCK") && isLetter(head[from + 4]) && isLetter(head[from + 5]);
}

export const musepack = {
  type: "audio/x-musepack",
  kind: "audio",
  matches: isMusepack,
  aliases: ["audio/musepack", "audio/x-mpc", "application/musepack"],
} as const satisfies Row;
