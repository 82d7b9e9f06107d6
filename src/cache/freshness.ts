import HttpCachePolicy from "http-cache-semantics";
import type { FailureCode, OracleError, UnreachableReason } from "../domain/errors.ts";
import type { Fields } from "../domain/fields.ts";
import type { Metadata, WarningCode } from "../domain/metadata.ts";
import type { CacheHeaders } from "../domain/terms.ts";

/** The result of a lookup, with the freshness headers of the origin. */
export type LookupResult =
  | {
      readonly metadata: Metadata;
      /** The fields that were looked up; null for all. */
      readonly fields: Fields;
      readonly terms: CacheHeaders | null;
      /** 304 Not Modified: the metadata is that of the last success. */
      readonly isConfirmed: boolean;
      readonly error: null;
    }
  | { readonly metadata: null; readonly terms: null; readonly isConfirmed: false; readonly error: OracleError };

/** The TTL settings, in milliseconds. */
export interface FreshnessLimits {
  /** Lower bound of the freshness of a success; overrides the origin. */
  readonly minMs: number;
  /** Upper bound of the freshness of a success; overrides the origin. */
  readonly maxMs: number;
  /** For a success without freshness headers. */
  readonly defaultMs: number;
  /** The unit of the TTLs of failures. */
  readonly failureMs: number;
}

/** How long a result is cached. */
export interface Freshness {
  readonly freshMs: number;
  /** stale-while-revalidate: how long after `freshMs` it is answered during a refresh. */
  readonly staleMs: number;
  /** stale-if-error: how long after `freshMs` it is answered if the origin fails. */
  readonly staleOnErrorMs: number;
  /** Effect on the previous success in the cache. */
  readonly previous: "replaced" | "kept" | "dropped";
}

interface FreshnessContext {
  readonly limits: FreshnessLimits;
  /** Number of consecutive timeouts before this result. */
  readonly timeouts: number;
  /** Epoch milliseconds. */
  readonly now: number;
}

type Lifetime = (result: LookupResult, context: FreshnessContext) => number;

interface Row {
  readonly when: (result: LookupResult) => boolean;
  readonly fresh: Lifetime;
  /** Returns `staleMs` for a `freshMs`. */
  readonly stale?: (freshMs: number) => number;
  readonly onError?: number;
  readonly previous: Freshness["previous"];
}

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/**
 * The freshness policy: the first row that matches. It goes beyond RFC 9111 to spare origins: the less likely a failure is to
 * be temporary, the longer it is cached (negative caching). Only 404, 410 and 451 drop the previous success.
 *
 * A refused address keeps the success like every other unreachable target: otherwise the reply would reveal the refusal.
 */
const table: readonly Row[] = [
  { when: hasStatus(404, 410, 451), fresh: failureTtl(10), previous: "dropped" },
  { when: hasStatus(401, 403), fresh: failureTtl(5), previous: "kept" },
  { when: hasStatus(429, 503), fresh: retryAfterTtl, previous: "kept" },
  { when: isTimeout, fresh: doublingTtl, previous: "kept" },
  { when: hasReason("address", "redirect"), fresh: failureTtl(60), previous: "kept" },
  { when: hasCode("source_redirects"), fresh: failureTtl(10), previous: "kept" },
  { when: hasCode("source_unreachable", "source_status", "source_protocol"), fresh: failureTtl(1), previous: "kept" },
  { when: hasWarning("body_truncated", "decode_timeout"), fresh: failureTtl(1), previous: "kept" },
  { when: hasNoStore, fresh: minTtl, previous: "replaced" },
  // RFC 9111 5.2.2.2, 5.2.2.4, 5.2.2.8: never stale.
  { when: hasDirective("must-revalidate", "proxy-revalidate", "no-cache"), fresh: declaredTtl, previous: "replaced" },
  { when: hasDirective("immutable"), fresh: maxTtl, stale: tenthTtl, onError: dayMs, previous: "replaced" }, // RFC 8246
  { when: hasExplicitTtl, fresh: declaredTtl, stale: tenthTtl, onError: dayMs, previous: "replaced" },
  { when: hasLastModified, fresh: heuristicTtl, stale: () => hourMs, onError: dayMs, previous: "replaced" }, // RFC 9111 4.2.2
  { when: isSuccess, fresh: defaultTtl, stale: () => 10 * minuteMs, onError: dayMs, previous: "replaced" },
];

/** Returns null for a failure that is not the target's: it is not cached. */
export function freshnessOf(result: LookupResult, context: FreshnessContext): Freshness | null {
  const row = table.find(({ when }) => when(result));
  if (!row) return null;
  const { fresh, stale = () => 0, onError = 0, previous } = row;
  // The freshness headers of redirects are not read, and a redirect may change before its target expires: cap the TTL.
  const redirectMaxMs = result.terms?.isRedirected ? context.limits.defaultMs : Infinity;
  const freshMs = Math.min(redirectMaxMs, fresh(result, context));
  return { freshMs, staleMs: stale(freshMs), staleOnErrorMs: onError, previous };
}

/** Whether the origin was silent for too long, before the response or in its body. */
export function isTimeout(result: LookupResult): boolean {
  return hasReason("timeout")(result) || hasWarning("body_timeout")(result);
}

/** Whether a response has freshness headers: a 304 without them keeps the previous ones (RFC 9111 4.3.4). */
export function hasExplicitFreshness(terms: CacheHeaders | null): boolean {
  return terms?.cacheControl !== undefined || terms?.expires !== undefined;
}

/** Whether not even the validators may be stored. */
export function hasNoStore(result: LookupResult): boolean {
  return hasDirective("no-store", "private")(result);
}

// Conditions

function hasStatus(...statuses: readonly number[]): Row["when"] {
  return ({ error }) => error?.upstreamStatus !== undefined && statuses.includes(error.upstreamStatus);
}

function hasReason(...reasons: readonly UnreachableReason[]): Row["when"] {
  return ({ error }) => error?.reason !== undefined && reasons.includes(error.reason);
}

function hasCode(...codes: readonly FailureCode[]): Row["when"] {
  return ({ error }) => error !== null && codes.includes(error.code);
}

function hasWarning(...codes: readonly WarningCode[]): Row["when"] {
  return ({ metadata }) => metadata?.warnings.some((warning) => codes.includes(warning)) ?? false;
}

function hasDirective(...directives: readonly string[]): Row["when"] {
  return ({ terms }) => directives.some((directive) => directivesOf(terms).has(directive));
}

function hasExplicitTtl(result: LookupResult): boolean {
  return hasDirective("max-age", "s-maxage")(result) || result.terms?.expires !== undefined;
}

function hasLastModified({ terms }: LookupResult): boolean {
  return !Number.isNaN(Date.parse(terms?.lastModified ?? ""));
}

function isSuccess({ metadata }: LookupResult): boolean {
  return metadata !== null;
}

/** Parses `Cache-Control` into lower case names and values; the first of duplicates counts (RFC 9111 4.2.1). */
function directivesOf(terms: CacheHeaders | null): Map<string, string> {
  const directives = new Map<string, string>();
  for (const part of terms?.cacheControl?.toLowerCase().split(",") ?? []) {
    const [name = "", value = ""] = part.split("=").map((text) => text.trim());
    if (!directives.has(name)) directives.set(name, value);
  }
  return directives;
}

// TTLs, in milliseconds

function failureTtl(times: number): Lifetime {
  return (_result, { limits }) => times * limits.failureMs;
}

function retryAfterTtl({ error }: LookupResult, { limits }: FreshnessContext): number {
  return error?.retryAfterMs ?? limits.failureMs;
}

function doublingTtl(_result: LookupResult, { limits, timeouts }: FreshnessContext): number {
  return Math.min(10, 2 * 2 ** timeouts) * limits.failureMs;
}

function minTtl(_result: LookupResult, { limits }: FreshnessContext): number {
  return limits.minMs;
}

function maxTtl(_result: LookupResult, { limits }: FreshnessContext): number {
  return limits.maxMs;
}

function defaultTtl(_result: LookupResult, { limits }: FreshnessContext): number {
  return limits.defaultMs;
}

function tenthTtl(freshMs: number): number {
  return Math.min(freshMs / 10, hourMs);
}

/** The lifetime that the origin declares, less its age, within the limits. */
function declaredTtl({ terms }: LookupResult, { limits, now }: FreshnessContext): number {
  return Math.min(limits.maxMs, Math.max(limits.minMs, lifetimeMs(terms, now)));
}

/** A tenth of the time since the last modification, at most a day, within the limits (RFC 9111 4.2.2). */
function heuristicTtl(result: LookupResult, context: FreshnessContext): number {
  return Math.min(Math.max(dayMs, context.limits.minMs), declaredTtl(result, context));
}

/** RFC 9111 4.2. The headers may be hostile, so any number may result. */
function lifetimeMs(terms: CacheHeaders | null, now: number): number {
  const { expires, age, date, lastModified } = terms ?? {};
  const headers = {
    "cache-control": [...directivesOf(terms)].map(([name, value]) => (value === "" ? name : `${name}=${value}`)).join(),
    ...(expires !== undefined && { expires }),
    ...(lastModified !== undefined && { "last-modified": lastModified }),
    // A recipient with a clock adds a missing Date (RFC 9110 6.6.1).
    date: Number.isNaN(Date.parse(date ?? "")) ? new Date(now).toUTCString() : date,
  };
  const policy = new HttpCachePolicy(
    { method: "GET", url: "", headers: {} },
    { status: 200, headers },
    { shared: true },
  );
  const ageSeconds = /^\d+$/.test(age ?? "") ? Number(age) : 0;
  return (policy.maxAge() - ageSeconds) * secondMs;
}
