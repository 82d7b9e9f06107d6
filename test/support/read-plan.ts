import { createHash } from "node:crypto";
import type { FactsStep, Need, PreviewStep, ReadPlan, ReceivedFile } from "../../src/media/formats/plan.ts";

// What the pipeline reads before it asks a plan.
const headBytes = 64 * 1024;
const maxSteps = 64;

/** The steps of a plan over a file, as the pipeline takes them. */
export interface Followed<Step> {
  readonly steps: readonly Step[];
  readonly needs: readonly Need[];
  readonly bytesRead: number;
}

/** Gives a plan what it needs of a file until it needs no more. */
export function followFacts(plan: ReadPlan, file: Uint8Array, options: FollowOptions = {}): Followed<FactsStep> {
  return follow(plan.facts, file, options);
}

export function followPreview(plan: ReadPlan, file: Uint8Array, options: FollowOptions = {}): Followed<PreviewStep> {
  return follow(plan.preview, file, options);
}

interface FollowOptions {
  /** Bytes that are there at the start. */
  readonly head?: number;
  /** Whether the length is only known at the end. */
  readonly isChunked?: boolean;
}

/** @throws Error if the plan needs bytes that are there already, or does not come to an end */
function follow<Step extends { readonly need: Need | null }>(
  plan: (file: ReceivedFile) => Step,
  file: Uint8Array,
  { head = headBytes, isChunked = false }: FollowOptions,
): Followed<Step> {
  let prefixBytes = Math.min(head, file.length);
  const ranges: { readonly from: number; readonly to: number }[] = [];
  const steps: Step[] = [];
  const needs: Need[] = [];
  while (steps.length < maxSteps) {
    const step = plan({
      prefix: file.subarray(0, prefixBytes),
      parts: ranges.map(({ from, to }) => ({ at: from, bytes: file.subarray(from, to) })),
      length: isChunked && prefixBytes < file.length ? null : file.length,
    });
    steps.push(step);
    const { need } = step;
    if (need === null) {
      const bytesRead = prefixBytes + ranges.reduce((sum, { from, to }) => sum + to - from, 0);
      return { steps, needs, bytesRead };
    }
    needs.push(need);
    if (need === "whole" || "prefix" in need) {
      const wanted = need === "whole" ? file.length : need.prefix;
      if (wanted <= prefixBytes || prefixBytes === file.length)
        throw new Error(`no progress: ${JSON.stringify(needs)}`);
      prefixBytes = Math.min(wanted, file.length);
      for (let at = ranges.length - 1; at >= 0; at -= 1) if (ranges[at]!.from < prefixBytes) ranges.splice(at, 1);
      continue;
    }
    const isNew = need.from >= prefixBytes && need.to > need.from && need.to <= file.length;
    if (!isNew || ranges.some(({ from, to }) => need.from < to && from < need.to)) {
      throw new Error(`not a new range: ${JSON.stringify(needs)}`);
    }
    ranges.push(need);
    ranges.sort((a, b) => a.from - b.from);
  }
  throw new Error(`too many steps: ${JSON.stringify(needs)}`);
}

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Replaces the bytes in a step by their hash: to compare megabytes one by one takes seconds. */
export function withDigests(value: unknown): unknown {
  if (value instanceof Uint8Array) return digestOf(value);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withDigests(part)]));
}
