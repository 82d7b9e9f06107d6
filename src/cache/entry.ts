import type { FailureCode, UnreachableReason } from "../domain/errors.ts";
import { type Fields, includes, tells } from "../domain/fields.ts";
import type { Metadata } from "../domain/metadata.ts";
import type { Validators } from "../domain/terms.ts";

/** Part of every key: raised when an entry gets another shape, or the same bytes other metadata. */
export const entryVersion = 2;

/**
 * All that is remembered of a URL. Plain JSON, so that it can go through a file or a shared store, and no text of the URL: the
 * file name is the one of Content-Disposition, never the path's. All times are epoch milliseconds.
 *
 * A setback never takes the place of a success; a success ends the setback.
 */
export type Entry =
  | { readonly success: Success; readonly setback: LastFailure | null }
  | { readonly success: null; readonly setback: LastFailure };

/** A description that ended well. */
export interface Success {
  readonly metadata: Metadata;
  /** What it was looked up for: of the others, null does not mean that they could not be learnt. Null: all. */
  readonly fields: Fields;
  /** When it was learnt, or last confirmed by the origin. */
  readonly since: number;
  readonly freshUntil: number;
  /** Until when it is answered although it is stale, while the origin is asked again. Not before `freshUntil`, as the next. */
  readonly staleUntil: number;
  /** Until when it is answered although the origin was asked again, and failed. */
  readonly staleOnErrorUntil: number;
  /** Null where the origin gave none, or forbids to store them. */
  readonly validators: Validators | null;
}

/** The latest lookup, where it did not end well: until that is over the origin is left alone. */
export interface LastFailure {
  readonly outcome: { readonly metadata: Metadata } | { readonly failure: RememberedFailure };
  readonly since: number;
  readonly until: number;
  /** Time-outs in a row up to this one: each makes `until` come later. */
  readonly timeouts: number;
}

export type EntryPart = Success | LastFailure;

export interface RememberedFailure {
  readonly code: FailureCode;
  readonly upstreamStatus: number | null;
  /** For the operator's log alone. */
  readonly reason: UnreachableReason | null;
}

/** What is answered without waiting for the origin. */
export interface CachedAnswer {
  readonly cached: "hit" | "stale";
  readonly part: EntryPart;
  /** Whether the origin shall be asked again meanwhile. */
  readonly isDue: boolean;
}

/** What an entry answers at a time to whoever needs these fields; null where the origin must be asked first. */
export function findCachedAnswer(entry: Entry, time: number, fields: Fields): CachedAnswer | null {
  const { setback } = entry;
  const success = hasFields(entry.success, fields) ? entry.success : null;
  if (success && time < success.freshUntil) return { cached: "hit", part: success, isDue: false };
  if (setback && time < setback.until) {
    if (isUsableOnError(success, time)) return { cached: "stale", part: success, isDue: false };
    return { cached: "hit", part: setback, isDue: false };
  }
  if (success && time < success.staleUntil) return { cached: "stale", part: success, isDue: true };
  return null;
}

/**
 * Whether an entry's answer comes from memory for a reason that anybody may know. How long an unreachable target is remembered
 * depends on what must not be told.
 */
export function isPubliclyCached(entry: Entry, time: number, fields: Fields): boolean {
  const recalled = findCachedAnswer(entry, time, fields);
  if (!recalled) return false;
  if ("freshUntil" in recalled.part) return time < recalled.part.staleUntil;
  const { outcome } = recalled.part;
  return "metadata" in outcome || outcome.failure.code !== "source_unreachable";
}

/** Whether a success has what is needed. */
export function hasFields(success: Success | null, fields: Fields): success is Success {
  return success !== null && (includes(success.fields, fields) || tells(success.metadata, fields));
}

/** Whether a success may stand in where the origin cannot be asked. */
export function isUsableOnError(success: Success | null, time: number): success is Success {
  return success !== null && time < success.staleOnErrorUntil;
}

/** What the latest lookup gave. */
export function latestPart(entry: Entry): EntryPart {
  return entry.success === null ? entry.setback : (entry.setback ?? entry.success);
}

/** Whether the origin was asked for it later. */
export function isNewer(entry: Entry, other: Entry | null): boolean {
  return other === null || latestPart(entry).since > latestPart(other).since;
}

// With validators a success is worth asking about, if it may stand in for errors or not.
const worthAskingMs = 24 * 60 * 60_000;

/** Until when a store should keep an entry. */
export function usefulUntil({ success, setback }: Entry): number {
  // A setback twice its time: the next one in a row is made longer by it.
  const setbackUntil = setback ? setback.until + (setback.until - setback.since) : 0;
  const successUntil = success?.validators ? success.freshUntil + worthAskingMs : 0;
  return Math.max(setbackUntil, successUntil, success?.staleOnErrorUntil ?? 0);
}
