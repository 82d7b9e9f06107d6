import { type Size, createSize } from "../raster.ts";
import { any, at, createWorkBudget, hasAt } from "./bytes.ts";
import type { Row } from "./format.ts";
import { boxes } from "./isobmff.ts";
import { createWholePlan } from "./whole-plan.ts";

/** What a JPEG XL file says before its pixels. */
export interface Jxl extends Size {
  readonly isAnimated: boolean;
}

// ISO/IEC 18181-1, table A.4: width to height.
const ratios = [1, 1, 12 / 10, 4 / 3, 3 / 2, 16 / 9, 5 / 4, 2] as const;

/** Reads bits, the lowest of each byte first; zeros past the end. */
function bitReader(bytes: Uint8Array, from: number) {
  let at = from * 8;
  const u = (count: number): number => {
    let value = 0;
    for (let bit = 0; bit < count; bit += 1, at += 1) value += (((bytes[at >> 3] ?? 0) >> (at & 7)) & 1) * 2 ** bit;
    return value;
  };
  /** ISO/IEC 18181-1, B.2.2: two bits choose among four, each a constant and some bits. */
  const choice = (...choices: readonly (readonly [least: number, bits: number])[]): number => {
    const [least, bits] = choices[u(2)] ?? [0, 0];
    return least + u(bits);
  };
  return { u, choice, isPastEnd: () => at > bytes.length * 8 };
}

type Bits = ReturnType<typeof bitReader>;

/** At most 2^30 high; a ratio may make it twice as wide. */
function readSize({ u, choice }: Bits): { readonly width: number; readonly height: number } {
  const isSmall = u(1) === 1;
  const side = () => (isSmall ? (u(5) + 1) * 8 : choice([1, 9], [1, 13], [1, 18], [1, 30]));
  const height = side();
  const ratio = u(3);
  return { height, width: ratio === 0 ? side() : Math.floor(height * (ratios[ratio] ?? 1)) };
}

function skipPreview({ u, choice }: Bits): void {
  const isDividedBy8 = u(1) === 1;
  const side = () =>
    isDividedBy8 ? choice([16, 0], [32, 0], [1, 5], [33, 9]) : choice([1, 6], [65, 8], [321, 10], [1345, 12]);
  side();
  if (u(3) === 0) side();
}

/** Where the codestream begins: at once, or in a container's first box with some of it (ISO/IEC 18181-2). */
function codestreamStart(head: Uint8Array): number | null {
  if (hasAt(head, 0, [0xff, 0x0a])) return 0;
  for (const { type, start } of boxes(head, 0, head.length, createWorkBudget())) {
    if (type === "jxlc") return start;
    if (type === "jxlp") return start + 4; // behind a number
  }
  return null;
}

/**
 * The size as displayed, and whether there are several frames (ISO/IEC 18181-1, A.3 and A.6). Null if some of the header is
 * missing.
 */
export function readJxl(head: Uint8Array): Jxl | null {
  const start = codestreamStart(head);
  if (start === null || !hasAt(head, start, [0xff, 0x0a])) return null;
  const bits = bitReader(head, start + 2);
  const file = readHeader(bits);
  return bits.isPastEnd() ? null : file;
}

function readHeader(bits: Bits): Jxl | null {
  const { u } = bits;
  const { width, height } = readSize(bits);
  const size = createSize(width, height);
  if (!size) return null;
  const [isPlain, hasMore] = u(1) === 1 ? [true, false] : [false, u(1) === 1];
  if (isPlain || !hasMore) return { ...size, isAnimated: false };
  const orientation = 1 + u(3);
  if (u(1) === 1) readSize(bits); // the size that it is meant to be shown in, which no viewer heeds
  if (u(1) === 1) skipPreview(bits);
  const isAnimated = u(1) === 1;
  return orientation >= 5 ? { width: height, height: width, isAnimated } : { ...size, isAnimated };
}

function readJxlSize(head: Uint8Array): Size | null {
  const file = readJxl(head);
  return file && { width: file.width, height: file.height };
}

export const jxl = {
  type: "image/jxl",
  kind: "image",
  // ISO/IEC 18181-1, codestream; 18181-2, container
  matches: any(at(0, [0xff, 0x0a]), at(0, [0, 0, 0, 12, 0x4a, 0x58, 0x4c, 0x20, 13, 10, 0x87, 10])),
  readSize: readJxlSize,
  plan: createWholePlan({ readSize: readJxl, readAnimated: (body) => readJxl(body)?.isAnimated ?? null }),
  decoding: {
    setting: "jxl",
    reader: "jxl",
    libraryBytes: 20e6,
    bytesPerPixel: () => 55,
    nanosecondsPerPixel: () => 600,
    isAnimated: ({ head }) => readJxl(head)?.isAnimated ?? false,
  },
} as const satisfies Row;
