import CachePolicy from "http-cache-semantics";
import type { FailureCode, OracleError, UnreachableReason } from "../domain/errors.ts";
import type { Fields } from "../domain/fields.ts";
import type { Metadata, WarningCode } from "../domain/metadata.ts";
import type { Terms } from "../domain/terms.ts";

/** How a lookup ended, in the origin's words rather than in ours. */
export type Ending =
  | {
      readonly metadata: Metadata;
      /** What it was looked up for; null: all. */
      readonly fields: Fields;
      readonly terms: Terms | null;
      /** The origin sent nothing, but said that what was known before still holds. */
      readonly isConfirmed: boolean;
      readonly error: null;
    }
  | { readonly metadata: null; readonly terms: null; readonly isConfirmed: false; readonly error: OracleError };

/** What the operator may set, in milliseconds. */
export interface FreshnessLimits {
  /** A success is fresh for at least so long, whatever its origin says. */
  readonly minMs: number;
  readonly maxMs: number;
  /** Where the origin says nothing. */
  readonly defaultMs: number;
  /** The unit of the failures' times. */
  readonly failureMs: number;
}

/** For how long an outcome holds, and what becomes of the success that was remembered before. */
export interface Freshness {
  readonly freshMs: number;
  /** For how long more it is answered while the origin is asked again. */
  readonly staleMs: number;
  /** For how long more it is answered where that fails. */
  readonly staleOnErrorMs: number;
  readonly earlier: "replaced" | "served" | "dropped";
}

interface Circumstances {
  readonly limits: FreshnessLimits;
  /** Before this one, with no success in between. */
  readonly timeouts: number;
  /** Epoch milliseconds. */
  readonly now: number;
}

type Span = (ending: Ending, circumstances: Circumstances) => number;

interface Row {
  readonly when: (ending: Ending) => boolean;
  readonly fresh: Span;
  /** Of what is fresh for so long. */
  readonly stale?: (freshMs: number) => number;
  readonly onError?: number;
  readonly earlier: Freshness["earlier"];
}

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/**
 * The whole policy: the first row that fits. Beyond RFC 9111 it is decided by what is kind to origins: a failure is asked again
 * later the less likely it is to pass, and none of them takes a success away but the ones that say that it is gone.
 *
 * A refused address lets a success be served as every unreachable target does: otherwise the reply would tell which it is.
 */
const table: readonly Row[] = [
  { when: answered(404, 410, 451), fresh: failureTimes(10), earlier: "dropped" },
  { when: answered(401, 403), fresh: failureTimes(5), earlier: "served" },
  { when: answered(429, 503), fresh: retryAfter, earlier: "served" },
  { when: isTimeout, fresh: doubling, earlier: "served" },
  { when: because("address", "redirect"), fresh: failureTimes(60), earlier: "served" },
  { when: failed("source_redirects"), fresh: failureTimes(10), earlier: "served" },
  { when: failed("source_unreachable", "source_status", "source_protocol"), fresh: failureTimes(1), earlier: "served" },
  { when: warned("body_truncated", "decode_timeout"), fresh: failureTimes(1), earlier: "served" },
  { when: forbidsStoring, fresh: least, earlier: "replaced" },
  // RFC 9111 5.2.2.2, 5.2.2.4, 5.2.2.8: never stale.
  { when: says("must-revalidate", "proxy-revalidate", "no-cache"), fresh: stated, earlier: "replaced" },
  { when: says("immutable"), fresh: most, stale: tenth, onError: dayMs, earlier: "replaced" }, // RFC 8246
  { when: isExplicit, fresh: stated, stale: tenth, onError: dayMs, earlier: "replaced" },
  { when: isDated, fresh: guessed, stale: () => hourMs, onError: dayMs, earlier: "replaced" }, // RFC 9111 4.2.2
  { when: isSuccess, fresh: byDefault, stale: () => 10 * minuteMs, onError: dayMs, earlier: "replaced" },
];

/** Null where nothing is to be remembered: it was not the target's fault. */
export function freshnessOf(ending: Ending, circumstances: Circumstances): Freshness | null {
  const row = table.find(({ when }) => when(ending));
  if (!row) return null;
  const { fresh, stale = () => 0, onError = 0, earlier } = row;
  // What a redirect says of itself is not read: it may lead elsewhere before what it leads to is over.
  const mostMs = ending.terms?.isRedirected ? circumstances.limits.defaultMs : Infinity;
  const freshMs = Math.min(mostMs, fresh(ending, circumstances));
  return { freshMs, staleMs: stale(freshMs), staleOnErrorMs: onError, earlier };
}

/** Silence, before the head or in the body. */
export function isTimeout(ending: Ending): boolean {
  return because("timeout")(ending) || warned("body_timeout")(ending);
}

/** Whether the source said anything of freshness: a 304 that does not goes by what was said before (RFC 9111 4.3.4). */
export function saysFreshness(terms: Terms | null): boolean {
  return terms?.cacheControl !== undefined || terms?.expires !== undefined;
}

/** Not even what the origin could be asked with. */
export function forbidsStoring(ending: Ending): boolean {
  return says("no-store", "private")(ending);
}

// When

function answered(...statuses: readonly number[]): Row["when"] {
  return ({ error }) => error?.upstreamStatus !== undefined && statuses.includes(error.upstreamStatus);
}

function because(...reasons: readonly UnreachableReason[]): Row["when"] {
  return ({ error }) => error?.reason !== undefined && reasons.includes(error.reason);
}

function failed(...codes: readonly FailureCode[]): Row["when"] {
  return ({ error }) => error !== null && codes.includes(error.code);
}

/** What may well be whole the next time. */
function warned(...codes: readonly WarningCode[]): Row["when"] {
  return ({ metadata }) => metadata?.warnings.some((warning) => codes.includes(warning)) ?? false;
}

function says(...directives: readonly string[]): Row["when"] {
  return ({ terms }) => directives.some((directive) => directivesOf(terms).has(directive));
}

function isExplicit(ending: Ending): boolean {
  return says("max-age", "s-maxage")(ending) || ending.terms?.expires !== undefined;
}

function isDated({ terms }: Ending): boolean {
  return !Number.isNaN(Date.parse(terms?.lastModified ?? ""));
}

function isSuccess({ metadata }: Ending): boolean {
  return metadata !== null;
}

/** The names and values of `Cache-Control`, lower case; of a name that comes twice the first (RFC 9111 4.2.1). */
function directivesOf(terms: Terms | null): Map<string, string> {
  const directives = new Map<string, string>();
  for (const part of terms?.cacheControl?.toLowerCase().split(",") ?? []) {
    const [name = "", value = ""] = part.split("=").map((text) => text.trim());
    if (!directives.has(name)) directives.set(name, value);
  }
  return directives;
}

// For how long

function failureTimes(times: number): Span {
  return (_ending, { limits }) => times * limits.failureMs;
}

function retryAfter({ error }: Ending, { limits }: Circumstances): number {
  return error?.retryAfterMs ?? limits.failureMs;
}

function doubling(_ending: Ending, { limits, timeouts }: Circumstances): number {
  return Math.min(10, 2 * 2 ** timeouts) * limits.failureMs;
}

function least(_ending: Ending, { limits }: Circumstances): number {
  return limits.minMs;
}

function most(_ending: Ending, { limits }: Circumstances): number {
  return limits.maxMs;
}

function byDefault(_ending: Ending, { limits }: Circumstances): number {
  return limits.defaultMs;
}

function tenth(freshMs: number): number {
  return Math.min(freshMs / 10, hourMs);
}

/** What the origin says, less what has passed of it on the way, within the limits. */
function stated({ terms }: Ending, { limits, now }: Circumstances): number {
  return Math.min(limits.maxMs, Math.max(limits.minMs, lifetimeMs(terms, now)));
}

/** A tenth of what has passed since the last change, within the limits. */
function guessed(ending: Ending, circumstances: Circumstances): number {
  return Math.min(Math.max(dayMs, circumstances.limits.minMs), stated(ending, circumstances));
}

/** RFC 9111 4.2, of hostile headers: any number may come out. */
function lifetimeMs(terms: Terms | null, now: number): number {
  const { expires, age, date, lastModified } = terms ?? {};
  const headers = {
    "cache-control": [...directivesOf(terms)].map(([name, value]) => (value === "" ? name : `${name}=${value}`)).join(),
    ...(expires !== undefined && { expires }),
    ...(lastModified !== undefined && { "last-modified": lastModified }),
    // A recipient with a clock puts in what is missing (RFC 9110 6.6.1).
    date: Number.isNaN(Date.parse(date ?? "")) ? new Date(now).toUTCString() : date,
  };
  const policy = new CachePolicy({ method: "GET", url: "", headers: {} }, { status: 200, headers }, { shared: true });
  const ageSeconds = /^\d+$/.test(age ?? "") ? Number(age) : 0;
  return (policy.maxAge() - ageSeconds) * secondMs;
}
