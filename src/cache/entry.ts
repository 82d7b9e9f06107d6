import type { FailureCode, UnreachableReason } from "../domain/errors.ts";
import { type Fields, includes, isCompleteFor } from "../domain/fields.ts";
import type { Metadata } from "../domain/metadata.ts";
import type { Validators } from "../domain/terms.ts";

/** Part of every key. Raise it when the shape of entries changes, or when the same bytes get other metadata. */
export const entryVersion = 4;

/**
 * The cached state of a URL: the last success, and `setback`, the latest lookup if it failed. A failure does not replace a
 * success; a success clears the failure.
 *
 * Plain JSON, for files and shared stores. Without any text of the URL: the file name is from Content-Disposition. Times are
 * epoch milliseconds.
 */
export type Entry =
  | { readonly success: Success; readonly setback: LastFailure | null }
  | { readonly success: null; readonly setback: LastFailure };

/** The last complete description. */
export interface Success {
  readonly metadata: Metadata;
  /** The fields that were looked up, null for all. A null in any other field of the metadata means "not looked up". */
  readonly fields: Fields;
  /** When the origin sent it, or last confirmed it with a 304. */
  readonly since: number;
  readonly freshUntil: number;
  /** End of stale-while-revalidate; not before `freshUntil`. */
  readonly staleUntil: number;
  /** End of stale-if-error; not before `freshUntil`. */
  readonly staleOnErrorUntil: number;
  /** For conditional requests. Null if the origin sent none, or forbids to store them. */
  readonly validators: Validators | null;
}

/** Negative caching: the latest lookup, if it failed or returned an incomplete description. No new lookup before `until`. */
export interface LastFailure {
  readonly outcome: { readonly metadata: Metadata } | { readonly failure: CachedFailure };
  readonly since: number;
  readonly until: number;
  /** Number of consecutive timeouts, this one included: each doubles the TTL. */
  readonly timeouts: number;
}

export type EntryPart = Success | LastFailure;

export interface CachedFailure {
  readonly code: FailureCode;
  readonly upstreamStatus: number | null;
  /** Only for the operator's log. */
  readonly reason: UnreachableReason | null;
}

/** An answer from the cache, without a request to the origin. */
export interface CachedAnswer {
  readonly cached: "hit" | "stale";
  readonly part: EntryPart;
  /** Whether to start a refresh in the background (stale-while-revalidate). */
  readonly isDue: boolean;
}

/** Returns the answer of an entry to a request for these fields; null on a cache miss. */
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
 * Whether an entry has an answer, as far as callers may learn it. False for unreachable targets: their TTL depends on the
 * reason, which would reveal a private address.
 */
export function isPubliclyCached(entry: Entry, time: number, fields: Fields): boolean {
  const answer = findCachedAnswer(entry, time, fields);
  if (!answer) return false;
  if ("freshUntil" in answer.part) return time < answer.part.staleUntil;
  const { outcome } = answer.part;
  return "metadata" in outcome || outcome.failure.code !== "source_unreachable";
}

/** Whether a success has all requested fields. */
export function hasFields(success: Success | null, fields: Fields): success is Success {
  return success !== null && (includes(success.fields, fields) || isCompleteFor(success.metadata, fields));
}

/** stale-if-error: whether a success may be answered after a failed lookup. */
export function isUsableOnError(success: Success | null, time: number): success is Success {
  return success !== null && time < success.staleOnErrorUntil;
}

/** Returns the result of the latest lookup. */
export function latestPart(entry: Entry): EntryPart {
  return entry.success === null ? entry.setback : (entry.setback ?? entry.success);
}

/** Whether an entry comes from a later lookup than another. */
export function isNewer(entry: Entry, other: Entry | null): boolean {
  return other === null || latestPart(entry).since > latestPart(other).since;
}

// A success with validators saves a download for another day: a conditional request may return 304.
const revalidationMs = 24 * 60 * 60_000;

/** Returns when a store may delete an entry. */
export function usefulUntil({ success, setback }: Entry): number {
  // A failure is kept for twice its TTL: the TTL of the next timeout depends on it.
  const failureUntil = setback ? setback.until + (setback.until - setback.since) : 0;
  const successUntil = success?.validators ? success.freshUntil + revalidationMs : 0;
  return Math.max(failureUntil, successUntil, success?.staleOnErrorUntil ?? 0);
}
