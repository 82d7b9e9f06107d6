import type { Size } from "../../domain/size.ts";
import type { Format } from "./index.ts";
import { sniff, sniffBytes } from "./sniff.ts";

/** All that came of a body, as soon as it is at least so many bytes; fewer where no more will come. Its memory is lent. */
export type Arrived = (bytes: number) => Promise<Uint8Array>;

/** What the first bytes of a body tell. */
export interface Head {
  /** Null where they say nothing. */
  readonly format: Format | null;
  /** As displayed; null where it is not told by them. */
  readonly size: Size | null;
  /** How many came so far. */
  readonly bytes: number;
}

// Profiles, previews and other segments before a frame header are 64 KiB each; more than a few are not met.
const maxSizeBytes = 256 * 1024;

// How much more must have come before it is worth another look, so that a dripping body is not gone through for each byte: of
// what tells the format, and of what only tells the size.
const growth = { format: 1.25, size: 2 };

/**
 * Looks at the first bytes while they come, and gives what they tell each time, the last time for good: when enough came to
 * tell the format and its size, or no more will.
 */
export async function* readHead(arrived: Arrived): AsyncGenerator<Head> {
  let format: Format | null = null;
  for (let wanted = 1; ;) {
    const came = await arrived(wanted);
    const bytes = came.length;
    const isAll = bytes < wanted;
    const isTold = isAll || bytes >= sniffBytes;
    if (!isTold || wanted <= sniffBytes) format = sniff(came);
    const readSize = format?.readSize;
    const size = readSize?.(came.subarray(0, maxSizeBytes)) ?? null;
    yield { format, size, bytes };
    if (isAll || (isTold && (size !== null || !readSize || bytes >= maxSizeBytes))) return;
    const next = Math.max(bytes + 1, Math.floor(bytes * (isTold ? growth.size : growth.format)));
    wanted = Math.min(next, isTold ? maxSizeBytes : sniffBytes);
  }
}

const mediaKinds: readonly string[] = ["image", "video", "audio", "document"];

/**
 * Whether the rest of a body may tell anything of a picture, a clip, a sound or a document.
 *
 * Where the bytes say nothing the header may be right: not all sounds begin with a mark. What nobody names is ciphertext for
 * the most part (XEP-0454), of which the rest tells only its own hash: it is not worth up to 64 MB of somebody's traffic.
 */
export function isMedia(format: Format | null, type: string): boolean {
  return format ? mediaKinds.includes(format.kind) : /^(?:image|video|audio)\//.test(type);
}
