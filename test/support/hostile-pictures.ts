import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { Decoder } from "../../src/media/decode/decoder.ts";
import { sniff } from "../../src/media/formats/sniff.ts";
import { type CorpusRow, corpusBytes, corpusRows } from "./corpus.ts";
import { formatNamed } from "./decoder.ts";
import { processCpuMs } from "./process-cpu.ts";
import { healthyPng } from "./siege.ts";

/** The hostile files of the corpus with a recognized format. */
export const hostileRows: readonly CorpusRow[] = corpusRows().filter(
  (row) => row.kind === "malformed" && row.limits && sniff(corpusBytes(row)),
);

/** Returns the peak memory of a process (VmHWM), in MiB; 0 if it has ended. */
function peakMiB(pid: number): number {
  try {
    return Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Returns the CPU time of a process in milliseconds; 0 if it has ended. */
function cpuMsOf(pid: number): number {
  try {
    return processCpuMs(pid);
  } catch {
    return 0;
  }
}

/** Describes a hostile file, checks CPU time, memory and result against its limits, and checks that the decoder still works. */
export async function expectWithinLimits(decoder: Decoder, row: CorpusRow, enabled: readonly string[]): Promise<void> {
  const body = corpusBytes(row);
  const format = sniff(body)!;
  const before = new Map(decoder.children.map(({ pid }) => [pid, cpuMsOf(pid)]));
  const cpuMs = new Map<number, number>(); // of workers that started meanwhile too
  let peak = 0;
  const measure = () => {
    for (const { pid } of decoder.children) {
      peak = Math.max(peak, peakMiB(pid));
      cpuMs.set(pid, Math.max(cpuMs.get(pid) ?? 0, cpuMsOf(pid) - (before.get(pid) ?? 0)));
    }
  };
  const watch = setInterval(measure, 10);
  const picture = await decoder.describe(body, format);
  clearInterval(watch);
  measure();
  const usedMs = [...cpuMs.values()].reduce((sum, ms) => sum + ms, 0);
  const isEnabled = enabled.includes(format.decoding?.setting ?? "");
  const isHashed = picture.blurhash !== null;
  // A start takes 0.2 s, and twice as long on shared cores.
  expect(usedMs).toBeLessThan(2 * row.limits!.maxMs + 1000);
  expect(peak).toBeLessThan(row.limits!.maxRssMiB);
  if (row.expected === "ok") expect(isHashed).toBe(isEnabled);
  if (["metadata-without-blurhash", "type-only", "not-media"].includes(row.expected!)) expect(isHashed).toBe(false);
  // Audio without a cover needs no warning.
  if (isEnabled && !isHashed && format.kind === "image") expect(picture.warning).not.toBeNull();
  expect(decoder.isReady).toBe(true);
  expect(await decoder.describe(healthyPng, formatNamed("png"))).toMatchObject({ width: 64, warning: null });
}
