import type { DecodeTimeoutCause } from "./decode-timeout.ts";
import { OracleError, toOracleError } from "./errors.ts";
import { type Fields, isCompleteFor } from "./fields.ts";
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
  /**
   * The metadata so far, provisional values included: null until the origin responds with success, then replaced by fuller
   * values as they become known.
   */
  readonly known: Metadata | null;
  /** The final metadata; rejects with an {@link OracleError} if the lookup failed. The rejection may stay unhandled. */
  readonly done: Promise<Metadata>;
  /** Resolves as soon as these fields are known for good, at the latest with {@link done}. */
  readonly until: (fields: NonNullable<Fields>) => Promise<Metadata>;
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
  /** Merges new facts into the known metadata, and returns it; warnings are appended. */
  learn(part: Partial<Metadata>): Metadata;
  /** Shows values to callers whose deadline passes before they are known for good. */
  suggest(part: Partial<Metadata>): void;
  /** The first bytes have been read: type and file name are known for good. */
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
  addTime(stage: Stage, milliseconds: number): void;
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
  let provisional: Partial<Metadata> = {};
  let isHeadKnown = false;
  const waiting = new Set<() => void>();
  const progress: Progress = {
    learn(part) {
      const before = known ?? unknownMetadata;
      const warnings = part.warnings ? [...before.warnings, ...part.warnings] : before.warnings;
      known = Object.freeze({ ...before, ...part, warnings: Object.freeze(warnings) });
      for (const check of waiting) check();
      return known;
    },
    suggest: (part) => void (provisional = { ...provisional, ...part }),
    reportHead() {
      isHeadKnown = true;
      for (const check of waiting) check();
    },
    limitTo: (needed) => void (fields = needed),
    confirm(metadata) {
      known = metadata;
      cached = "revalidated";
      return metadata;
    },
    setDecodeTimeoutCause: (cause) => void (decodeTimeoutCause = cause),
    setCacheHeaders: (said) => void (terms = said),
    addTime(stage, milliseconds) {
      timings[stage] = (timings[stage] ?? 0) + milliseconds;
      stages.push({ stage, startedAt: reached, milliseconds });
      reached += milliseconds;
    },
    async timed(stage, work) {
      const began = performance.now();
      try {
        return await work;
      } finally {
        progress.addTime(stage, performance.now() - began);
      }
    },
  };
  const done = lookup(progress).catch((error: unknown) => {
    throw toOracleError(error);
  });
  done.catch(() => undefined); // callers get the rejection; without a caller it is not an unhandled one

  /** Resolves once the fields are known; never if the lookup ends without them. */
  function untilKnown(fields: NonNullable<Fields>): Promise<Metadata> {
    return new Promise((resolve) => {
      const check = () => {
        if (!isHeadKnown || !known || !isCompleteFor(known, fields)) return;
        waiting.delete(check);
        resolve(known);
      };
      waiting.add(check);
      check();
    });
  }

  return {
    get known() {
      return known && withProvisional(known, provisional);
    },
    done,
    until: (fields) => Promise.race([untilKnown(fields), done]),
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

function withProvisional(known: Metadata, provisional: Partial<Metadata>): Metadata {
  const isUnknown = ([field]: [string, unknown]) => known[field as keyof Metadata] === null;
  const values = Object.entries(provisional).filter(isUnknown);
  return values.length === 0 ? known : Object.freeze({ ...known, ...Object.fromEntries(values) });
}

/** Wraps a description so that it shows another cache result. */
export function withCacheResult(description: Description, cached: (own: Cached) => Cached): Description {
  return {
    get known() {
      return description.known;
    },
    done: description.done,
    until: description.until,
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
  const enough = fields === null ? description.done : description.until(fields);
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
