import { type Size, createDurationMs, createSize } from "../../../domain/size.ts";
import { hasAt, readInt32LE, readText, readUint32LE } from "../../formats/bytes.ts";
import { type Facts, maxClipBytes } from "../../protocol.ts";
import { type Reader, UnreadableError, noSize } from "../reader.ts";

interface Chunk {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

const maxChunks = 4096;

/** The chunks one after the other, a list by the name of its form (Microsoft, AVI RIFF File Reference). */
function* chunks(body: Uint8Array, from: number, to: number): Generator<Chunk> {
  let at = from;
  for (let count = 0; at + 8 <= to && count < maxChunks; count += 1) {
    const bytes = readUint32LE(body, at + 4);
    const isList = hasAt(body, at, "LIST");
    const start = at + (isList ? 12 : 8);
    yield { name: readText(body, at + (isList ? 8 : 0), 4), start, end: Math.min(to, at + 8 + bytes) };
    at += 8 + bytes + (bytes % 2);
  }
}

/** Audio Video Interleave: the picture's size and the length of the longest stream, from the list at the front. */
export const reader: Reader = {
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection
  measure: async (body) => measure(body),
  show: () => Promise.resolve(null),
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection
  cut: async (body) =>
    measure(body).width === null ? null : { bytes: body.slice(0, maxClipBytes), container: "avi", rotation: 0 },
};

function measure(body: Uint8Array): Facts {
  const header = [...chunks(body, 12, body.length)].find(({ name }) => name === "hdrl");
  if (!header) throw new UnreadableError("no header");
  let size: Size | null = null;
  let seconds = 0;
  for (const stream of chunks(body, header.start, header.end)) {
    if (stream.name !== "strl") continue;
    const parts = [...chunks(body, stream.start, stream.end)];
    const about = parts.find(({ name }) => name === "strh");
    const format = parts.find(({ name }) => name === "strf");
    if (!about) continue;
    const [scale, rate, length] = [20, 24, 32].map((offset) => readUint32LE(body, about.start + offset));
    if (scale && rate && length) seconds = Math.max(seconds, (length * scale) / rate);
    if (!format || !hasAt(body, about.start, "vids")) continue;
    size = createSize(readInt32LE(body, format.start + 4), Math.abs(readInt32LE(body, format.start + 8))) ?? size;
  }
  const durationMs = seconds > 0 ? createDurationMs(seconds * 1000) : null;
  return { ...(size ?? noSize), animated: null, durationMs };
}
