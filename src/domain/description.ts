import type { DecodeTimeoutCause } from "./decode-timeout.ts";
import { OracleError, toOracleError } from "./errors.ts";
import { type Fields, tells } from "./fields.ts";
import { type Metadata, unknownMetadata } from "./metadata.ts";
import type { Target } from "./target.ts";
import type { CacheHeaders, Validators } from "./terms.ts";

/**
 * Starts a lookup, or joins one, and returns at once; each caller waits for it with a deadline of their own. Never throws.
 *
 * @param fields the requested fields: reading stops as soon as they are known; all fields if absent
 * @param previous earlier metadata of the same target, for a conditional request: a 304 costs neither body nor decode
 */
export type Oracle = (target: Target, fields?: Fields, previous?: Previous) => Description;

/** Earlier metadata of a target, with the validators that its origin sent. */
export interface Previous {
  readonly metadata: Metadata;
  readonly validators: Validators | null;
}

/** Cache result of a lookup (`Cache-Status`, RFC 9211). */
export type Cached = "hit" | "miss" | "collapsed" | "stale" | "revalidated";

/** The timed stages. */
export type Stage = "queue" | "fetch" | "decode" | "hash";

/** Milliseconds per stage; a stage that never started is absent. */
export type Timings = Readonly<Partial<Record<Stage, number>>>;

/** Start (`performance.now()`) and duration of a stage; a stage that ran twice has two entries. */
export interface StageTime {
  readonly stage: Stage;
  readonly startedAt: number;
  readonly milliseconds: number;
}

/** A lookup, in progress or ended. It has its own timeout: a caller that disconnects never cancels it. */
export interface Description {
  /** The metadata so far: null until the origin responds with success, then replaced by fuller values as stages end. */
  readonly known: Metadata | null;
  /** The final metadata; rejects with an {@link OracleError} if the lookup failed. The rejection may stay unhandled. */
  readonly done: Promise<Metadata>;
  /** The metadata from the first bytes, once these are exhausted; else the same as {@link done}. */
  readonly head: Promise<Metadata>;
  /** The fields that this lookup is complete for; null (all) unless it stopped reading early. */
  readonly fields: Fields;
  readonly cached: Cached;
  readonly timings: Timings;
  /** The ended stages, in the order of their ends. */
  readonly stages: readonly StageTime[];
  /** Cause of the warning `decode_timeout`, if this lookup has learnt it; null for cached metadata. Callers do not get it. */
  readonly decodeTimeoutCause: DecodeTimeoutCause | null;
  /** Null until the origin responds with success, and if it was not asked. */
  readonly terms: CacheHeaders | null;
  /**
   * Start and end of the cached entry's validity, epoch milliseconds; null while the lookup runs, or if its outcome is not
   * cached. If it is cached, {@link known} is the final metadata, or null for a failure.
   */
  readonly kept: { readonly since: number; readonly until: number } | null;
}

/** Receives the intermediate results of a lookup. */
export interface Progress {
  /** Merges new facts into the known metadata; warnings are appended. */
  learn(part: Partial<Metadata>): Metadata;
  /** The first bytes have no further facts. */
  reportHead(): void;
  /** Reading stopped early: the result is complete for these fields only. */
  limitTo(fields: Fields): void;
  /** 304 Not Modified: the earlier metadata is the result. */
  confirm(metadata: Metadata): Metadata;
  /** Records the cause of the warning `decode_timeout`. */
  setDecodeTimeoutCause(cause: DecodeTimeoutCause): void;
  /** Records the cache headers of the response. */
  setCacheHeaders(terms: CacheHeaders): void;
  /** Adds to the time of a stage. */
  took(stage: Stage, milliseconds: number): void;
  /** Awaits a stage and adds its duration, also if it fails. */
  timed<T>(stage: Stage, work: Promise<T>): Promise<T>;
}

/**
 * Starts a lookup and returns its description.
 *
 * @param lookup errors that are not an {@link OracleError} become one with the code `internal`
 */
export function startDescription(lookup: (progress: Progress) => Promise<Metadata>): Description {
  const timings: Partial<Record<Stage, number>> = {};
  const stages: StageTime[] = [];
  let reached = performance.now();
  let known: Metadata | null = null;
  let terms: CacheHeaders | null = null;
  let decodeTimeoutCause: DecodeTimeoutCause | null = null;
  let fields: Fields = null;
  let cached: Cached = "miss";
  let tellHead!: (known: Metadata) => void; // set by the next line
  const firstTold = new Promise<Metadata>((resolve) => (tellHead = resolve));
  const progress: Progress = {
    learn(part) {
      const before = known ?? unknownMetadata;
      const warnings = part.warnings ? [...before.warnings, ...part.warnings] : before.warnings;
      known = Object.freeze({ ...before, ...part, warnings: Object.freeze(warnings) });
      return known;
    },
    reportHead: () => tellHead(known ?? unknownMetadata),
    limitTo: (needed) => void (fields = needed),
    confirm(metadata) {
      known = metadata;
      cached = "revalidated";
      return metadata;
    },
    setDecodeTimeoutCause: (cause) => void (decodeTimeoutCause = cause),
    setCacheHeaders: (said) => void (terms = said),
    took(stage, milliseconds) {
      timings[stage] = (timings[stage] ?? 0) + milliseconds;
      stages.push({ stage, startedAt: reached, milliseconds });
      reached += milliseconds;
    },
    async timed(stage, work) {
      const began = performance.now();
      try {
        return await work;
      } finally {
        progress.took(stage, performance.now() - began);
      }
    },
  };
  const done = lookup(progress).catch((error: unknown) => {
    throw toOracleError(error);
  });
  const head = Promise.race([firstTold, done]);
  for (const promise of [done, head]) promise.catch(() => undefined); // callers get the rejection; without a caller it is not an unhandled one
  return {
    get known() {
      return known;
    },
    done,
    head,
    get fields() {
      return fields;
    },
    get cached() {
      return cached;
    },
    timings,
    stages,
    get decodeTimeoutCause() {
      return decodeTimeoutCause;
    },
    get terms() {
      return terms;
    },
    kept: null,
  };
}

/** Wraps a description so that it shows another cache result. */
export function seenAs(description: Description, cached: (own: Cached) => Cached): Description {
  return {
    get known() {
      return description.known;
    },
    done: description.done,
    head: description.head,
    get fields() {
      return description.fields;
    },
    get cached() {
      return cached(description.cached);
    },
    get timings() {
      return description.timings;
    },
    get stages() {
      return description.stages;
    },
    get decodeTimeoutCause() {
      return description.decodeTimeoutCause;
    },
    get terms() {
      return description.terms;
    },
    get kept() {
      return description.kept;
    },
  };
}

/** The metadata at the end of the lookup, or at an earlier deadline. */
export interface LookupAnswer {
  readonly metadata: Metadata;
  /** Whether the deadline came first. */
  readonly partial: boolean;
}

/**
 * Waits for a description until a deadline; the lookup itself continues.
 *
 * @param deadlineMs from now; null waits for the end
 * @param fields the requested fields: resolves as soon as they are known
 * @throws OracleError the lookup's own failure, or `deadline_exceeded` if nothing is known by then
 */
export async function answerBy(
  description: Description,
  deadlineMs: number | null,
  fields: Fields = null,
): Promise<LookupAnswer> {
  const enough = fields === null ? description.done : untilTold(description, fields);
  if (deadlineMs === null) return { metadata: await enough, partial: false };
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, deadlineMs, null);
  });
  try {
    const metadata = await Promise.race([enough, deadline]);
    if (metadata) return { metadata, partial: false };
  } finally {
    clearTimeout(timer);
  }
  if (!description.known) throw new OracleError("deadline_exceeded", `nothing known after ${String(deadlineMs)} ms`);
  return { metadata: description.known, partial: true };
}

async function untilTold({ head, done }: Description, fields: Fields): Promise<Metadata> {
  const known = await head;
  return tells(known, fields) ? known : done;
}
