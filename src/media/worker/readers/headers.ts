import { type FormatName } from "../../formats/index.ts";
import type { PlannedFacts } from "../../formats/plan.ts";
import { sniff } from "../../formats/sniff.ts";
import type { Container } from "../../protocol.ts";
import { type Reader, UnreadableError } from "../reader.ts";
import { beginning } from "./tracks.ts";

/** The containers of videos that ffmpeg reads from their first bytes. */
const containers: Partial<Record<FormatName, Container>> = {
  flv: "flv",
  "asf-video": "asf",
  asf: "asf",
  "mpeg-ps": "mpeg",
  "mpeg1-ps": "mpeg",
  "mpeg-video": "mpegvideo",
};

/** Audio and video whose header has all facts: the read plan finds them, without a library. */
export const reader: Reader = {
  // eslint-disable-next-line @typescript-eslint/require-await -- an error becomes a rejection
  async measure(body, isWhole) {
    const { width = null, height = null, durationMs = null } = readFacts(body, isWhole).known;
    return { width, height, animated: null, durationMs };
  },
  show: () => Promise.resolve(null),
  // eslint-disable-next-line @typescript-eslint/require-await -- an error becomes a rejection
  async cut(body) {
    const { known, container } = readFacts(body, true);
    return container && known.width !== undefined ? beginning(body, container) : null;
  },
};

function readFacts(body: Uint8Array, isWhole: boolean): { known: PlannedFacts; container: Container | null } {
  const format = sniff(body);
  if (!format) throw new UnreadableError("no header");
  const { known } = format.plan.facts({ prefix: body, parts: [], length: isWhole ? body.length : null });
  return { known, container: containers[format.name] ?? null };
}
