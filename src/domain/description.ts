import { OracleError, toOracleError } from "./errors.ts";
import { type Fields, tells } from "./fields.ts";
import { type Metadata, unknownMetadata } from "./metadata.ts";
import type { Target } from "./target.ts";
import type { Terms, Validators } from "./terms.ts";

/**
 * Answers at once with a lookup under way: whoever asks waits for it as long as they like. Never throws.
 *
 * @param fields what is needed: where the first bytes tell it, no more is read; all where absent
 * @param previous what was learnt of the same target before: where that still holds, it is not fetched or decoded anew
 */
export type Oracle = (target: Target, fields?: Fields, previous?: Previous) => Description;

/** A description of long ago that has what is needed. */
export interface Previous {
  readonly metadata: Metadata;
  readonly validators: Validators | null;
}

/** How a caller came by a description (RFC 9211 says it on the wire). */
export type Cached = "hit" | "miss" | "collapsed" | "stale" | "revalidated";

/** The stages that are timed. */
export type Stage = "queue" | "fetch" | "decode" | "hash";

/** Milliseconds a stage took; a stage that was not come to is absent. */
export type Timings = Readonly<Partial<Record<Stage, number>>>;

/** When a stage began, in `performance.now()`, and how long it took; one that was come to twice is told twice. */
export interface StageTime {
  readonly stage: Stage;
  readonly startedAt: number;
  readonly milliseconds: number;
}

/** A lookup under way, or one that ended. It has its own clock: a caller who leaves never cancels it. */
export interface Description {
  /** The metadata so far: null until the origin answered with success, then replaced by fuller values as stages end. */
  readonly known: Metadata | null;
  /** The whole metadata; rejects with an {@link OracleError} where nothing can be said. A rejection may be left unhandled. */
  readonly done: Promise<Metadata>;
  /** What the first bytes tell, as soon as it is known that they tell no more; else as {@link done}. */
  readonly head: Promise<Metadata>;
  /** What it tells all of that can be told; other than null only where it has ended without reading on. */
  readonly fields: Fields;
  readonly cached: Cached;
  readonly timings: Timings;
  /** The same one after the other: those that have ended, in the order they did. */
  readonly stages: readonly StageTime[];
  /** Null until the origin answered with success, and where it was not asked. */
  readonly terms: Terms | null;
  /**
   * When the outcome was learnt and until when it is remembered, epoch milliseconds; null while it is under way, or where
   * it is not remembered. Where it is, {@link known} is the whole metadata, or null where the outcome is a failure.
   */
  readonly kept: { readonly since: number; readonly until: number } | null;
}

/** What a lookup reports while it runs. */
export interface Progress {
  /** Adds what a stage learnt to what is known; warnings are appended. */
  learn(part: Partial<Metadata>): Metadata;
  /** The first bytes have told what they can. */
  headRead(): void;
  /** No more is read than is needed for these: more could be learnt. */
  leaveAt(fields: Fields): void;
  /** What was learnt before still holds, as the origin says: it is all that is known. */
  confirm(metadata: Metadata): Metadata;
  /** Notes how long the origin says that its answer holds. */
  heard(terms: Terms): void;
  /** Adds to the time that the stage took. */
  took(stage: Stage, milliseconds: number): void;
  /** Waits for a stage, and adds what it took, also where it failed. */
  timed<T>(stage: Stage, work: Promise<T>): Promise<T>;
}

/**
 * Starts a lookup and gives its description.
 *
 * @param lookup what is thrown becomes an {@link OracleError}, `internal` where it was not one
 */
export function startDescription(lookup: (progress: Progress) => Promise<Metadata>): Description {
  const timings: Partial<Record<Stage, number>> = {};
  const stages: StageTime[] = [];
  let reached = performance.now();
  let known: Metadata | null = null;
  let terms: Terms | null = null;
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
    headRead: () => tellHead(known ?? unknownMetadata),
    leaveAt: (needed) => void (fields = needed),
    confirm(metadata) {
      known = metadata;
      cached = "revalidated";
      return metadata;
    },
    heard: (said) => void (terms = said),
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
  for (const promise of [done, head]) promise.catch(() => undefined); // whoever waits gets the rejection; nobody waiting is no fault
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
    get terms() {
      return terms;
    },
    kept: null,
  };
}

/** The same lookup as another caller sees it. */
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
    get terms() {
      return description.terms;
    },
    get kept() {
      return description.kept;
    },
  };
}

/** What is known when the first of the outcome and the deadline comes. */
export interface Answer {
  readonly metadata: Metadata;
  /** Whether more will be known later. */
  readonly partial: boolean;
}

/**
 * Waits for a description, but only so long; the lookup itself goes on.
 *
 * @param deadlineMs from now; null waits for the end
 * @param fields what is needed: where that is known, the rest is not waited for
 * @throws OracleError the lookup's own failure, or `deadline_exceeded` where nothing is known by then
 */
export async function answerBy(
  description: Description,
  deadlineMs: number | null,
  fields: Fields = null,
): Promise<Answer> {
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
