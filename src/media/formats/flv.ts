import { all, at, hasAt, readUint32 } from "./bytes.ts";
import { createSize } from "../raster.ts";
import type { Row } from "./format.ts";
import type { FactsStep, ReceivedFile } from "./plan.ts";
import { createVideoPlan, createFacts, needFacts } from "./header-facts.ts";
import { noFacts } from "./received.ts";
import { video } from "./tracks.ts";

// Flags of audio (4) and video (1); the other bits are reserved.
const reservedFlags = 0xfa;
// Behind the file header and the length of the tag before the first one.
const firstTagAt = 13;
const tagHeaderBytes = 11;
const scriptType = 18;
// Duration and size stand before the list of key frames, which may be long.
const maxScriptBytes = 64 * 1024;
const metadataName = "\x02\0\x0aonMetaData";

/** A number of the metadata (AMF 0, 2.2): the key behind its length, a type of 0, and 64 bits; 0 without it. */
function readNumber(script: Buffer, key: string): number {
  const name = `\0${String.fromCharCode(key.length)}${key}\0`;
  const found = script.indexOf(name, 0, "latin1");
  const at = found + name.length;
  return found >= 0 && at + 8 <= script.length ? script.readDoubleBE(at) : 0;
}

/** Adobe, Flash Video File Format 10.1, E.5: `onMetaData`, mostly the first tag. */
function planFacts(file: ReceivedFile): FactsStep {
  const { prefix } = file;
  const start = firstTagAt + tagHeaderBytes;
  if (prefix.length < start) return needFacts(file, start);
  const end = start + Math.min(maxScriptBytes, readUint32(prefix, firstTagAt) % 2 ** 24);
  if (((prefix[firstTagAt] ?? 0) & 31) !== scriptType) return noFacts();
  if (prefix.length < end) return needFacts(file, end);
  if (!hasAt(prefix, start, metadataName)) return noFacts();
  const script = Buffer.from(prefix.buffer, prefix.byteOffset + start, end - start);
  const [width, height] = ["width", "height"].map((key) => Math.round(readNumber(script, key))) as [number, number];
  return createFacts(readNumber(script, "duration"), createSize(width, height));
}

const flvPlan = createVideoPlan(planFacts);

export const flv = {
  type: "video/x-flv",
  kind: "video",
  // Adobe, Flash Video File Format 10.1, E.2: the version, the flags, the length of this header
  matches: all(at(0, "FLV\x01"), (head) => ((head[4] ?? 0xff) & reservedFlags) === 0, at(5, [0, 0, 0, 9])),
  aliases: ["video/flv", "video/x-flash-video"],
  plan: flvPlan,
  decoding: { ...video, reader: "headers" },
} as const satisfies Row;
