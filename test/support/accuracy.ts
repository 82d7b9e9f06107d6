import { spawnSync } from "node:child_process";
import { sniff } from "../../src/media/sniff.ts";
import { type CorpusRow, corpusBytes, corpusFolder, corpusRows } from "./corpus.ts";
import { blurhashError } from "./images.ts";
import { startOrigin } from "./origin.ts";
import { startService } from "./service.ts";

/** What the service says of a file. */
export interface Reply {
  readonly bytes: number;
  readonly type: string;
  readonly width: number | null;
  readonly height: number | null;
  readonly durationMs: number | null;
  readonly animated: boolean | null;
  readonly blurhash: string | null;
  readonly warnings: readonly string[];
}

/** A file, what is true of it, and what was said of it. */
export interface Comparison {
  readonly row: CorpusRow;
  readonly reply: Reply;
  readonly isTypeRight: boolean;
  readonly isBytesRight: boolean;
  /** Null where the file has no size that is displayed. */
  readonly isSizeRight: boolean | null;
  /** Null where it lasts no time. */
  readonly isDurationRight: boolean | null;
  /** Mean absolute error of the hash, of 255; null where one of the two is missing. */
  readonly error: number | null;
  /** Whether a hash was to be expected: there is a reference, and the format is on by default. */
  readonly isHashExpected: boolean;
}

/**
 * References that are wrong, and how that was seen.
 */
export const doubtedReferences: Readonly<Record<string, string>> = {
  "media/conformance__sunset_logo.jxl":
    "taken from djxl 0.7, which makes noise at 6 % opacity of it; libjxl 0.7 in ffmpeg, libjxl in WebAssembly and jxl-oxide show a sunset, opaque",
  "media/probe-image-size__image4.heic":
    "taken without the transparency that the file has, so on black; libheif shows what is left on white",
};

// Off unless named: their hashes are not expected.
const offByDefault = ["tiff", "svg"];

/** Has the service describe every real file of the corpus, over HTTP and without a Content-Type: the bytes alone must tell. */
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
  const service = await startService({ ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535" });
  try {
    const comparisons: Comparison[] = [];
    for (const [index, row] of rows.entries()) {
      const reply = await fetch(`${service.url}/metadata?url=${encodeURIComponent(origin.url(`/${index}`))}`);
      if (reply.status !== 200) throw new Error(`${row.file} was answered with ${reply.status}`);
      comparisons.push(compare(row, (await reply.json()) as Reply));
    }
    return comparisons;
  } finally {
    await service.stop();
    for (const callback of finished) await callback();
  }
}

function compare(row: CorpusRow, reply: Reply): Comparison {
  const { displayWidth, displayHeight, blurhashFull43 } = row;
  const truthMs = row.kind === "video" || row.kind === "audio" ? durationMs(row) : null;
  const { blurhash } = reply;
  return {
    row,
    reply,
    isTypeRight: [row.type, ...(row.acceptableTypes ?? [])].includes(reply.type),
    isBytesRight: reply.bytes === row.bytes,
    isSizeRight: displayWidth === null ? null : reply.width === displayWidth && reply.height === displayHeight,
    isDurationRight: truthMs === null ? null : isNear(reply.durationMs, truthMs),
    error: blurhashFull43 && blurhash ? blurhashError(blurhash, blurhashFull43) : null,
    isHashExpected: blurhashFull43 !== undefined && isOn(row),
  };
}

function isOn(row: CorpusRow): boolean {
  const setting = sniff(corpusBytes(row))?.decoding?.setting;
  return setting !== undefined && !offByDefault.includes(setting);
}

/** Within 50 ms, or a hundredth. */
function isNear(told: number | null, truth: number): boolean {
  return told !== null && Math.abs(told - truth) <= Math.max(50, truth / 100);
}

/** ffprobe's word; null where it has none. */
function durationMs(row: CorpusRow): number | null {
  const args = ["-v", "quiet", "-show_entries", "format=duration", "-of", "csv=p=0", `${corpusFolder}${row.file}`];
  const seconds = Number.parseFloat(spawnSync("ffprobe", args, { encoding: "utf8" }).stdout);
  return Number.isFinite(seconds) ? seconds * 1000 : null;
}

/** The errors of the hashes that can be relied on, the least first. */
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
  ...["kind", "type", "files", "type right", "bytes right", "size right", "duration right"],
  ...["hashes", "error: median", "p95", "most"],
];

/** A line a kind and type, and one for all. */
export function accuracyTable(comparisons: readonly Comparison[]): string[][] {
  const groups = new Map<string, Comparison[]>();
  for (const comparison of comparisons) {
    const name = `${comparison.row.kind} ${comparison.row.type}`;
    groups.set(name, [...(groups.get(name) ?? []), comparison]);
  }
  const sorted = [...groups].sort(([one], [other]) => (one < other ? -1 : 1));
  return [...sorted, ["all ", [...comparisons]] as const].map(([name, group]) => [
    ...name.split(" "),
    ...lineOf(group),
  ]);
}

function lineOf(group: readonly Comparison[]): string[] {
  const errors = reliableErrors(group);
  const expected = group.filter(({ isHashExpected }) => isHashExpected);
  const had = expected.filter(({ reply }) => reply.blurhash !== null);
  return [
    String(group.length),
    share(group.map(({ isTypeRight }) => isTypeRight)),
    share(group.map(({ isBytesRight }) => isBytesRight)),
    share(group.map(({ isSizeRight }) => isSizeRight)),
    share(group.map(({ isDurationRight }) => isDurationRight)),
    expected.length === 0 ? "" : `${had.length} of ${expected.length}`,
    ...[0.5, 0.95, 1].map((at) => quantile(errors, at)?.toFixed(1) ?? ""),
  ];
}

/** Of those of which it can be said; empty where there is none. */
function share(outcomes: readonly (boolean | null)[]): string {
  const known = outcomes.filter((outcome) => outcome !== null);
  return known.length === 0 ? "" : `${known.filter(Boolean).length} of ${known.length}`;
}
