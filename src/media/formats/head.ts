import type { Size } from "../raster.ts";
import type { Format } from "./index.ts";
import { sniff, sniffBytes } from "./sniff.ts";

/** Resolves with the received body once it has at least so many bytes; fewer at its end. The memory is borrowed. */
export type Arrived = (bytes: number) => Promise<Uint8Array>;

/** The result of sniffing and measuring the first bytes of a body. */
export interface Head {
  /** Null if unknown. */
  readonly format: Format | null;
  /** As displayed; null if these bytes do not have it. */
  readonly size: Size | null;
  /** Number of bytes received so far. */
  readonly bytes: number;
}

// Profiles, previews and other segments before a frame header are 64 KiB each; more than a few are not met.
const maxSizeBytes = 256 * 1024;

// Growth of the head before it is parsed again, so that a dripping body (slow loris) is not parsed for each byte: while
// the format is unknown, and while only the size is.
const growth = { format: 1.25, size: 2 };

/**
 * Sniffs and measures the first bytes as they arrive, and yields each result. The last one is final: it has the format
 * and the size, or no more bytes will help.
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
 * Whether the rest of a body may add metadata of an image, a video, a sound or a document.
 *
 * If sniffing finds nothing, the header may be right: not all sounds have a signature. Bodies without either are mostly
 * ciphertext (XEP-0454): the rest would add only a hash, which is not worth up to 64 MB of the origin's traffic.
 */
export function isMedia(format: Format | null, type: string): boolean {
  return format ? mediaKinds.includes(format.kind) : /^(?:image|video|audio)\//.test(type);
}
