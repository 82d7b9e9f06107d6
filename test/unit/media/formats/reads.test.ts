import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { Decoding } from "../../../../src/media/formats/format.ts";
import type { Format } from "../../../../src/media/formats/index.ts";
import type { FactsStep, Need, PreviewStep } from "../../../../src/media/formats/plan.ts";
import { sniff } from "../../../../src/media/formats/sniff.ts";
import { byteFiles } from "../../../support/byte-files.ts";
import { arrivalOf, follow } from "../../../support/read-plans.ts";

// Snapshots of all needs and facts: a byte or a request more is time over a real network, and an answer from fewer bytes may be a
// wrong one. After an intended change `npx vitest run reads -u` writes them: check the difference against the specification.

/** Length and digest. */
function describeBytes(bytes: Uint8Array): string {
  return `${bytes.length} bytes ${createHash("sha256").update(bytes).digest("hex").slice(0, 8)}`;
}

/** @param from the bytes that have arrived, for the number of those that are needed behind them; null: their end instead */
function describeNeed(need: Need | null, from: number | null): string[] {
  if (need === null) return [];
  if (need === "whole") return ["needs the whole file"];
  if ("from" in need) return [`needs ${need.from} to ${need.to}`];
  return [from === null ? `needs the first ${need.prefix}` : `needs ${need.prefix - from} more`];
}

function describeFacts({ known, measurable, head, need }: FactsStep, from: number | null): string {
  const facts = [
    ...Object.entries(known).map(([name, value]) => `${name} ${value}`),
    ...(measurable ? [`measurable ${describeBytes(measurable)}`] : []),
    ...(head ? [`head ${describeBytes(head)}`] : []),
    ...describeNeed(need, from),
  ];
  return `facts: ${facts.join(", ") || "none"}`;
}

function describePreview({ excerpt, need }: PreviewStep, from: number | null): string {
  const { bytes, accuracy, format = "" } = excerpt ?? {};
  const found = bytes ? [`${accuracy} ${format}${describeBytes(bytes)}`] : [];
  return `preview: ${[...found, ...describeNeed(need, from)].join(", ") || "none"}`;
}

const smallBytes = 1500;

/** All lengths of a small file; of others all short ones, some of the longer ones, and those before the end. */
function cutsOf({ length }: Uint8Array): number[] {
  const all = Array.from({ length: length <= smallBytes ? length + 1 : 100 }, (_, bytes) => bytes);
  const some = Array.from({ length: 50 }, (_, index) => Math.floor((length * index) / 50));
  const last = Array.from({ length: 10 }, (_, index) => length - index);
  return [...new Set([...all, ...some, ...last])].filter((cut) => cut >= 0).sort((one, other) => one - other);
}

/** Describes each length of a prefix, a line for equal ones: with a need by its end, or by the number of missing bytes. */
function describeCuts(cuts: readonly number[], describe: (cut: number, from: number | null) => string): string[] {
  const lines: string[] = [];
  let last: readonly string[] = [];
  let first = 0;
  for (const cut of cuts) {
    const described = [describe(cut, null), describe(cut, cut)];
    const same = last.filter((line) => described.includes(line));
    if (same.length === 0) first = cut;
    else lines.pop();
    last = same.length === 0 ? described : same;
    lines.push(`${first === cut ? cut : `${first} to ${cut}`}: ${last[0]}`);
  }
  return lines;
}

type Steps = ReadonlyMap<number, { readonly facts: FactsStep; readonly preview: PreviewStep }>;

/** Asks the plan at each length of a prefix. */
function stepsOf({ plan }: Format, file: Uint8Array, isLengthKnown: boolean): Steps {
  return new Map(
    cutsOf(file).map((cut) => {
      const arrival = arrivalOf(file, cut, { isLengthKnown });
      return [cut, { facts: plan.facts(arrival), preview: plan.preview(arrival) }];
    }),
  );
}

/** The facts, the excerpts and the needs at each length of a prefix. */
function describeSteps(steps: Steps): string[] {
  const cuts = [...steps.keys()];
  return [
    ...describeCuts(cuts, (cut, from) => describeFacts(steps.get(cut)!.facts, from)),
    ...describeCuts(cuts, (cut, from) => describePreview(steps.get(cut)!.preview, from)),
  ];
}

/** The requests from few bytes and from the usual ones. */
function describeRequests({ plan }: Format, file: Uint8Array): string[] {
  const starts = [0, 60, 12 * 1024].filter((start) => start === 0 || start < file.length);
  return starts.flatMap((start) =>
    [true, false].flatMap((isLengthKnown) => {
      const arrival = arrivalOf(file, start, { isLengthKnown });
      const [facts, preview] = [follow(plan.facts, file, arrival), follow(plan.preview, file, arrival)];
      return [
        ...facts.map(({ step, arrival }) => `${arrival.readBytes}: ${describeFacts(step, null)}`),
        ...preview.map(({ step, arrival }) => `${arrival.readBytes}: ${describePreview(step, null)}`),
      ];
    }),
  );
}

/** The estimated cost of a decode, of pixels of 8 bits and of 16. */
function describeCost(decoding: Decoding, head: Uint8Array): string[] {
  return [3, 8].flatMap((bytesAPixel) =>
    [false, true].map((isProgressive) => {
      const opened = { head, isProgressive, bytesAPixel, pages: 2, pixels: 10_000 };
      const [bytes, nanoseconds] = [decoding.bytesPerPixel(opened), decoding.nanosecondsPerPixel(opened)];
      const kind = `${bytesAPixel} bytes${isProgressive ? ", progressive" : ""}`;
      return `cost of ${kind}: ${bytes.toPrecision(6)} bytes and ${nanoseconds.toPrecision(6)} ns a pixel`;
    }),
  );
}

/** The facts before a decode, and the bytes that the decoder gets. */
function describeDecoding({ readSize, decoding }: Format, file: Uint8Array): string[] {
  const size = readSize ? [`size: ${JSON.stringify(readSize(file))}`] : [];
  if (!decoding) return size;
  const opened = { head: file, isProgressive: false, bytesAPixel: 3, pages: 1, pixels: 10_000 };
  const lines = [
    ...size,
    `animated: ${decoding.isAnimated(opened)}; with two pages: ${decoding.isAnimated({ ...opened, pages: 2 })}`,
    `unpredictable: ${decoding.isUnpredictable ?? false}`,
    ...describeCost(decoding, file),
  ];
  if ("reader" in decoding) return [...lines, `library: ${decoding.libraryBytes} bytes`];
  const { readHeader, strip, complete, density } = decoding;
  const completed = complete?.(file.slice(0, -2));
  return [
    ...lines,
    `density: ${density}`,
    `header: ${JSON.stringify(readHeader?.(file))}`,
    ...(strip ? [`stripped: ${describeBytes(strip(file.slice()))}`] : []),
    ...(completed ? [`completed: ${describeBytes(completed)}`] : []),
  ];
}

/** Lists positions with the bits that matter there, a text for equal neighbours. */
function describeBits(bits: readonly number[]): string {
  const runs: { readonly first: number; readonly bits: number; last: number }[] = [];
  bits.forEach((found, at) => {
    const run = runs.at(-1);
    if (run?.bits === found) run.last = at;
    else runs.push({ first: at, bits: found, last: at });
  });
  const texts = runs
    .filter(({ bits }) => bits > 0)
    .map(({ first, last, bits }) => `${first === last ? first : `${first} to ${last}`} (${bits.toString(16)})`);
  return texts.join(", ") || "none";
}

/** Finds the bits of the first bytes that change a reading of the file, among some bits of each byte. */
function findBits(file: Uint8Array, count: number, mask: number, read: (file: Uint8Array) => unknown): number[] {
  const bytes = Uint8Array.from(file);
  const whole = JSON.stringify(read(bytes));
  return Array.from({ length: Math.min(count, file.length) }, (_, at) => {
    let found = 0;
    for (let bit = 1; bit < 256; bit *= 2) {
      if ((mask & bit) === 0) continue;
      bytes[at] = file[at]! ^ bit;
      if (JSON.stringify(read(bytes.subarray())) !== whole) found |= bit; // a view of its own: parsers memoize by it
    }
    bytes[at] = file[at]!;
    return found;
  });
}

/** The bits of the type and of the facts. */
function describeFields({ plan }: Format, file: Uint8Array): string[] {
  const nameOf = (bytes: Uint8Array) => sniff(bytes)?.name;
  const factsOf = (bytes: Uint8Array) => {
    const { known, measurable, need } = plan.facts(arrivalOf(bytes, bytes.length));
    return { known, measurable: measurable?.length, need };
  };
  const previewOf = (bytes: Uint8Array) => {
    const { excerpt, need } = plan.preview(arrivalOf(bytes, bytes.length));
    return { accuracy: excerpt?.accuracy, length: excerpt?.bytes.length, need };
  };
  const count = file.length <= smallBytes ? 300 : 60;
  return [
    `bits of the type: ${describeBits(findBits(file, 24, 0xff, nameOf))}`,
    `bits of the facts: ${describeBits(findBits(file, count, 0x81, factsOf))}`,
    `bits of the preview: ${describeBits(findBits(file, 100, 0x01, previewOf))}`,
  ];
}

// Its orientation stands behind the pixels: to wait for one would delay the size of every PNG.
const lateTurn = "a PNG that is turned behind its pixels";

/** Finds the first length of a prefix with which a fact is another one than with fewer bytes; null without one. */
function findChange(steps: Steps): number | null {
  let last: [name: string, value: unknown][] = [];
  for (const [cut, { facts }] of steps) {
    const known: Readonly<Record<string, unknown>> = { ...facts.known };
    if (last.some(([name, value]) => known[name] !== value)) return cut;
    last = Object.entries(known);
  }
  return null;
}

test.each(Object.entries(byteFiles))(
  "the facts, needs and excerpts of %s match the snapshot, and more bytes change no fact",
  (name, file) => {
    const format = sniff(file)!;
    const [declared, undeclared] = [true, false].map((isLengthKnown) => stepsOf(format, file, isLengthKnown));
    const lines = [
      ...describeCuts(cutsOf(file), (cut) => sniff(file.subarray(0, cut))?.name ?? "unknown"),
      ...describeDecoding(format, file),
      "with a declared length",
      ...describeSteps(declared!),
      "without a declared length",
      ...describeSteps(undeclared!),
      "read",
      ...describeRequests(format, file),
      ...describeFields(format, file),
    ];
    expect(lines.join("\n")).toMatchSnapshot();
    const end = name === lateTurn ? file.length : null;
    expect([declared!, undeclared!].map(findChange)).toEqual([end, end]);
  },
);
