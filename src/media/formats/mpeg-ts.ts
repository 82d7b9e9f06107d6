import type { Row } from "./format.ts";
import type { FactsStep, ReceivedFile } from "./plan.ts";
import { createVideoPlan } from "./header-facts.ts";
import { isWhole, needPrefix, needWhole } from "./received.ts";
import { video } from "./tracks.ts";

// ISO/IEC 13818-1 2.4.3.2: a packet begins with a sync byte. M2TS (AVCHD, Blu-ray) puts a time code before each.
const syncByte = 0x47;
const packetBytes = 188;
const timeCodeBytes = 4;
// One in 10^12 random heads has so many sync bytes with a valid header behind them. Later packets may be damaged.
const minPackets = 5;
// Tables of the streams come ten times a second: among so many bytes are the tables and the first key frame.
const measuredBytes = 256 * 1024;

/** Whether packets of this distance begin at the offset. The value 0 of the adaptation field control is reserved. */
function hasPackets(head: Uint8Array, from: number, distance: number): boolean {
  for (let at = from, count = 0; count < minPackets; at += distance, count += 1) {
    if (head[at] !== syncByte || ((head[at + 3] ?? 0) & 0x30) === 0) return false;
  }
  return true;
}

/** A worker reads the size from the first key frame. The duration is that of all packets. */
function planFacts(file: ReceivedFile): FactsStep {
  const { prefix } = file;
  const isThere = prefix.length >= measuredBytes || isWhole(file);
  if (!isThere) return { known: {}, measurable: null, need: needPrefix(file, measuredBytes) };
  return { known: {}, measurable: prefix.subarray(0, measuredBytes), need: needWhole(file) };
}

const mpegTsPlan = createVideoPlan(planFacts);

export const mpegTs = {
  type: "video/mp2t",
  kind: "video",
  matches: (head) => hasPackets(head, 0, packetBytes) || hasPackets(head, timeCodeBytes, timeCodeBytes + packetBytes),
  aliases: ["video/mpeg", "video/vnd.dlna.mpeg-tts", "video/x-mpegts", "video/avchd-stream"],
  isSometimesUnmarked: true, // recordings that begin within a packet
  plan: mpegTsPlan,
  decoding: video,
} as const satisfies Row;
