import HttpCachePolicy from "http-cache-semantics";
import type { FailureCode, OracleError, UnreachableReason } from "../domain/errors.ts";
import type { Fields } from "../domain/fields.ts";
import type { Metadata, WarningCode } from "../domain/metadata.ts";
import type { Terms } from "../domain/terms.ts";

/** How a lookup ended, in the origin's words rather than in ours. */
export type LookupResult =
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
  readonly previous: "replaced" | "kept" | "dropped";
}

interface FreshnessContext {
  readonly limits: FreshnessLimits;
  /** Before this one, with no success in between. */
  readonly timeouts: number;
  /** Epoch milliseconds. */
  readonly now: number;
}

type Lifetime = (result: LookupResult, context: FreshnessContext) => number;

interface Row {
  readonly when: (result: LookupResult) => boolean;
  readonly fresh: Lifetime;
  /** Of what is fresh for so long. */
  readonly stale?: (freshMs: number) => number;
  readonly onError?: number;
  readonly previous: Freshness["previous"];
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

/** Null where nothing is to be remembered: it was not the target's fault. */
export function freshnessOf(result: LookupResult, context: FreshnessContext): Freshness | null {
  const row = table.find(({ when }) => when(result));
  if (!row) return null;
  const { fresh, stale = () => 0, onError = 0, previous } = row;
  // What a redirect says of itself is not read: it may lead elsewhere before what it leads to is over.
  const redirectMaxMs = result.terms?.isRedirected ? context.limits.defaultMs : Infinity;
  const freshMs = Math.min(redirectMaxMs, fresh(result, context));
  return { freshMs, staleMs: stale(freshMs), staleOnErrorMs: onError, previous };
}

/** Silence, before the head or in the body. */
export function isTimeout(result: LookupResult): boolean {
  return hasReason("timeout")(result) || hasWarning("body_timeout")(result);
}

/** Whether the source said anything of freshness: a 304 that does not goes by what was said before (RFC 9111 4.3.4). */
export function hasExplicitFreshness(terms: Terms | null): boolean {
  return terms?.cacheControl !== undefined || terms?.expires !== undefined;
}

/** Not even what the origin could be asked with. */
export function hasNoStore(result: LookupResult): boolean {
  return hasDirective("no-store", "private")(result);
}

// When

function hasStatus(...statuses: readonly number[]): Row["when"] {
  return ({ error }) => error?.upstreamStatus !== undefined && statuses.includes(error.upstreamStatus);
}

function hasReason(...reasons: readonly UnreachableReason[]): Row["when"] {
  return ({ error }) => error?.reason !== undefined && reasons.includes(error.reason);
}

function hasCode(...codes: readonly FailureCode[]): Row["when"] {
  return ({ error }) => error !== null && codes.includes(error.code);
}

/** What may well be whole the next time. */
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

function failureTtl(times: number): Lifetime {
  return (_ending, { limits }) => times * limits.failureMs;
}

function retryAfterTtl({ error }: LookupResult, { limits }: FreshnessContext): number {
  return error?.retryAfterMs ?? limits.failureMs;
}

function doublingTtl(_ending: LookupResult, { limits, timeouts }: FreshnessContext): number {
  return Math.min(10, 2 * 2 ** timeouts) * limits.failureMs;
}

function minTtl(_ending: LookupResult, { limits }: FreshnessContext): number {
  return limits.minMs;
}

function maxTtl(_ending: LookupResult, { limits }: FreshnessContext): number {
  return limits.maxMs;
}

function defaultTtl(_ending: LookupResult, { limits }: FreshnessContext): number {
  return limits.defaultMs;
}

function tenthTtl(freshMs: number): number {
  return Math.min(freshMs / 10, hourMs);
}

/** What the origin says, less what has passed of it on the way, within the limits. */
function declaredTtl({ terms }: LookupResult, { limits, now }: FreshnessContext): number {
  return Math.min(limits.maxMs, Math.max(limits.minMs, lifetimeMs(terms, now)));
}

/** A tenthTtl of what has passed since the last change, within the limits. */
function heuristicTtl(result: LookupResult, context: FreshnessContext): number {
  return Math.min(Math.max(dayMs, context.limits.minMs), declaredTtl(result, context));
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
  const policy = new HttpCachePolicy(
    { method: "GET", url: "", headers: {} },
    { status: 200, headers },
    { shared: true },
  );
  const ageSeconds = /^\d+$/.test(age ?? "") ? Number(age) : 0;
  return (policy.maxAge() - ageSeconds) * secondMs;
}
