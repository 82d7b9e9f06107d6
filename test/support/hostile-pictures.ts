import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { Decoder } from "../../src/media/decoder.ts";
import { sniff } from "../../src/media/sniff.ts";
import { type CorpusRow, corpusBytes, corpusRows } from "./corpus.ts";
import { formatNamed } from "./decoder.ts";
import { healthyPng } from "./siege.ts";

/** The hostile files of the corpus that are of any format at all. */
export const hostileRows: readonly CorpusRow[] = corpusRows().filter(
  (row) => row.kind === "malformed" && row.limits && sniff(corpusBytes(row)),
);

/** Memory that a process took at most, in MiB; 0 where it is gone. */
function peakMiB(pid: number): number {
  try {
    return Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Has one described, and checks it against its limits and what may come of it; the decoder must live on. */
export async function expectWithinLimits(decoder: Decoder, row: CorpusRow, on: readonly string[]): Promise<void> {
  const body = corpusBytes(row);
  const format = sniff(body)!;
  const pids = decoder.children.map(({ pid }) => pid);
  const began = performance.now();
  let peak = 0;
  const watch = setInterval(() => (peak = Math.max(peak, ...pids.map(peakMiB))), 10);
  const picture = await decoder.describe(body, format);
  clearInterval(watch);
  const tookMs = performance.now() - began;
  peak = Math.max(peak, ...pids.map(peakMiB));
  const isOn = on.includes(format.decoding?.setting ?? "");
  const isHashed = picture.blurhash !== null;
  expect(tookMs).toBeLessThan(2 * row.limits!.maxMs + 1000); // two shared cores
  expect(peak).toBeLessThan(row.limits!.maxRssMiB);
  if (row.expected === "ok") expect(isHashed).toBe(isOn);
  if (["metadata-without-blurhash", "type-only", "not-media"].includes(row.expected!)) expect(isHashed).toBe(false);
  // A sound without a cover is no fault.
  if (isOn && !isHashed && format.kind === "image") expect(picture.warning).not.toBeNull();
  expect(decoder.isReady).toBe(true);
  expect(await decoder.describe(healthyPng, formatNamed("png"))).toMatchObject({ width: 64, warning: null });
}
