import type { FactsStep, Need, PreviewStep, ReceivedFile } from "../../src/media/formats/plan.ts";

/** The first bytes of a file, as the pipeline has them before it asks a plan: those that are sniffed. */
export const firstBytes = 12 * 1024;

/** The bytes of a file that have arrived. */
export interface Arrival extends ReceivedFile {
  /** How many have been read, of the prefix and of ranges. */
  readonly readBytes: number;
  readonly requests: number;
}

/** The first bytes of a file of known length, or of unknown length as long as it has not ended. */
export function arrivalOf(file: Uint8Array, bytes: number, { isLengthKnown = true } = {}): Arrival {
  const prefix = file.subarray(0, bytes);
  const length = isLengthKnown || bytes >= file.length ? file.length : null;
  return { prefix, parts: [], length, readBytes: prefix.length, requests: 1 };
}

/** Reads the needed bytes. @throws Error if they have arrived already, or lie outside of the file */
export function read(file: Uint8Array, arrival: Arrival, need: Need): Arrival {
  const { prefix, parts, length, readBytes, requests } = arrival;
  if (need !== "whole" && "from" in need) {
    const { from, to } = need;
    const isArrived = parts.some(({ at, bytes }) => from >= at && from < at + bytes.length);
    if (!(from >= prefix.length && from < to && (length === null || to <= length)) || isArrived)
      throw new Error(`needs the range ${from} to ${to} of ${length}, with a prefix of ${prefix.length}`);
    const part = { at: from, bytes: file.subarray(from, to) };
    const sorted = [...parts, part].sort((one, other) => one.at - other.at);
    return { prefix, parts: sorted, length, readBytes: readBytes + part.bytes.length, requests: requests + 1 };
  }
  const end = need === "whole" ? file.length : need.prefix;
  if (!(end > prefix.length) || (length !== null && end > length))
    throw new Error(`needs the prefix up to ${end} of ${length}, with one of ${prefix.length}`);
  const { length: come } = file.subarray(0, end);
  return {
    prefix: file.subarray(0, end),
    parts,
    length: end >= file.length ? file.length : length,
    readBytes: readBytes + come - prefix.length,
    requests,
  };
}

const maxCalls = 500;

/** Follows a plan to its end; returns each step with the bytes that it was made from. @throws Error if it does not end */
export function follow<Step extends FactsStep | PreviewStep>(
  plan: (file: ReceivedFile) => Step,
  file: Uint8Array,
  first: Arrival = arrivalOf(file, firstBytes),
): { readonly step: Step; readonly arrival: Arrival }[] {
  const steps: { readonly step: Step; readonly arrival: Arrival }[] = [];
  for (let arrival = first; steps.length < maxCalls;) {
    const step = plan(arrival);
    steps.push({ step, arrival });
    if (step.need === null) return steps;
    arrival = read(file, arrival, step.need);
  }
  throw new Error("the plan has no end");
}
