import { spawnSync } from "node:child_process";
import { sniff } from "../../src/media/formats/sniff.ts";
import { type CorpusRow, corpusBytes, corpusFolder, corpusRows } from "./corpus.ts";
import { blurhashError } from "./images.ts";
import { startOrigin } from "./origin.ts";
import { startService } from "./service.ts";

/** The service's metadata for a file. */
export interface Reply {
  readonly bytes: number;
  readonly type: string;
  readonly width: number | null;
  readonly height: number | null;
  readonly durationMs: number | null;
  readonly animated: boolean | null;
  readonly blurhash: string | null;
  readonly warnings: readonly string[];
  readonly partial?: boolean;
}

/** A file of the corpus with its reference metadata, and the service's reply. */
export interface Comparison {
  readonly row: CorpusRow;
  readonly reply: Reply;
  readonly isTypeRight: boolean;
  readonly isBytesRight: boolean;
  /** Null if the file has no displayed size. */
  readonly isSizeRight: boolean | null;
  /** Null if the file has no duration. */
  readonly isDurationRight: boolean | null;
  /** Mean absolute error of the hash, 0 to 255; null if the hash or its reference is missing. */
  readonly error: number | null;
  /** Whether a hash is expected: there is a reference, and the format is enabled by default. */
  readonly isHashExpected: boolean;
}

/** Wrong references of the corpus, with the evidence. */
export const doubtedReferences: Readonly<Record<string, string>> = {
  "media/conformance__sunset_logo.jxl":
    "decoded by djxl 0.7, which returns noise at 6 % opacity; libjxl 0.7 in ffmpeg, libjxl in WebAssembly and jxl-oxide return an opaque sunset",
  "media/probe-image-size__image4.heic":
    "decoded without the file's transparency, so on black; libheif composites on white",
};

// No hash is expected for these formats.
const disabledByDefault = ["tiff", "svg"];

/** Requests the metadata of every valid file of the corpus over HTTP, without a Content-Type: the service must sniff it. */
export async function compareCorpus(): Promise<Comparison[]> {
  const rows = corpusRows().filter(({ kind }) => kind !== "malformed");
  const finished: (() => unknown)[] = [];
  const origin = await startOrigin(
    (callback: () => unknown) => void finished.push(callback),
    (request, response) => {
      const row = rows[Number(new URL(request.url!, "http://origin").pathname.slice(1))]!;
      response.end(corpusBytes(row));
    },
  );
  const patience = { DECODE_TIMEOUT_MS: "250s" }; // for busy machines
  const service = await startService({ ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535", ...patience });
  try {
    const comparisons: Comparison[] = [];
    for (const [index, row] of rows.entries()) {
      let reply: Reply;
      do {
        const answer = await fetch(`${service.url}/metadata?url=${encodeURIComponent(origin.url(`/${index}`))}`);
        if (answer.status !== 200) throw new Error(`status ${answer.status} for ${row.file}`);
        reply = (await answer.json()) as Reply;
      } while (reply.partial); // at a deadline, on a busy machine: the lookup continues
      comparisons.push(compare(row, reply));
    }
    return comparisons;
  } finally {
    await service.stop();
    for (const callback of finished) await callback();
  }
}

function compare(row: CorpusRow, reply: Reply): Comparison {
  const { displayWidth, displayHeight, blurhashFull43 } = row;
  const referenceMs = row.kind === "video" || row.kind === "audio" ? durationMs(row) : null;
  const { blurhash } = reply;
  return {
    row,
    reply,
    isTypeRight: [row.type, ...(row.acceptableTypes ?? [])].includes(reply.type),
    isBytesRight: reply.bytes === row.bytes,
    isSizeRight: displayWidth === null ? null : reply.width === displayWidth && reply.height === displayHeight,
    isDurationRight: referenceMs === null ? null : isNear(reply.durationMs, referenceMs),
    error: blurhashFull43 && blurhash ? blurhashError(blurhash, blurhashFull43) : null,
    isHashExpected: blurhashFull43 !== undefined && isEnabled(row),
  };
}

function isEnabled(row: CorpusRow): boolean {
  const setting = sniff(corpusBytes(row))?.decoding?.setting;
  return setting !== undefined && !disabledByDefault.includes(setting);
}

/** Whether a duration differs from its reference by at most 50 ms or 1 %. */
function isNear(replyMs: number | null, referenceMs: number): boolean {
  return replyMs !== null && Math.abs(replyMs - referenceMs) <= Math.max(50, referenceMs / 100);
}

/** Returns ffprobe's duration of a file; null if it has none. */
function durationMs(row: CorpusRow): number | null {
  const args = ["-v", "quiet", "-show_entries", "format=duration", "-of", "csv=p=0", `${corpusFolder}${row.file}`];
  const seconds = Number.parseFloat(spawnSync("ffprobe", args, { encoding: "utf8" }).stdout);
  return Number.isFinite(seconds) ? seconds * 1000 : null;
}

/** Returns the errors of the hashes with reliable references, in ascending order. */
export function reliableErrors(comparisons: readonly Comparison[]): number[] {
  return comparisons
    .filter(({ row }) => !row.blurhashUncertain && !(row.file in doubtedReferences))
    .flatMap(({ error }) => error ?? [])
    .sort((a, b) => a - b);
}

export function quantile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
}

export const accuracyHeader = [
  ...["kind", "type", "files", "type correct", "bytes correct", "size correct", "duration correct"],
  ...["hashes", "error: median", "p95", "maximum"],
];

/** Returns one row for each kind and type, and one for all files. */
export function accuracyTable(comparisons: readonly Comparison[]): string[][] {
  const groups = new Map<string, Comparison[]>();
  for (const comparison of comparisons) {
    const name = `${comparison.row.kind} ${comparison.row.type}`;
    groups.set(name, [...(groups.get(name) ?? []), comparison]);
  }
  const sorted = [...groups].sort(([one], [other]) => (one < other ? -1 : 1));
  return [...sorted, ["all ", [...comparisons]] as const].map(([name, group]) => [...name.split(" "), ...rowOf(group)]);
}

function rowOf(group: readonly Comparison[]): string[] {
  const errors = reliableErrors(group);
  const expected = group.filter(({ isHashExpected }) => isHashExpected);
  const hashed = expected.filter(({ reply }) => reply.blurhash !== null);
  return [
    String(group.length),
    share(group.map(({ isTypeRight }) => isTypeRight)),
    share(group.map(({ isBytesRight }) => isBytesRight)),
    share(group.map(({ isSizeRight }) => isSizeRight)),
    share(group.map(({ isDurationRight }) => isDurationRight)),
    expected.length === 0 ? "" : `${hashed.length} of ${expected.length}`,
    ...[0.5, 0.95, 1].map((at) => quantile(errors, at)?.toFixed(1) ?? ""),
  ];
}

/** Formats `N of M` over the known outcomes; empty if there are none. */
function share(outcomes: readonly (boolean | null)[]): string {
  const known = outcomes.filter((outcome) => outcome !== null);
  return known.length === 0 ? "" : `${known.filter(Boolean).length} of ${known.length}`;
}
