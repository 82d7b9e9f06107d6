import type { Progress } from "./domain/description.ts";
import type { Fields } from "./domain/fields.ts";
import type { Body, Source } from "./fetch/source.ts";
import type { Decoder, Picture } from "./media/decode/decoder.ts";
import { createEarlyPreviews } from "./early-preview.ts";
import type { Format } from "./media/formats/index.ts";
import type { Excerpt, Need, Part, PlannedFacts, PreviewStep, ReadPlan, ReceivedFile } from "./media/formats/plan.ts";
import { readRange } from "./media/formats/received.ts";
import {
  declares,
  mediaType,
  rangeBehindTags,
  sniff,
  sniffAs,
  sniffBytes,
  sniffHeader,
  unseenType,
} from "./media/formats/sniff.ts";
import { factFields, isMissing, previewFields } from "./media/needs.ts";

/**
 * Follows the read plan of a format: reads what the plan needs, and publishes each fact as soon as the bytes contain it.
 *
 * The plan is asked again whenever the needed bytes are there, and when the body stalls: so at a deadline the answer has
 * all facts in the bytes so far.
 */
export interface Reading {
  /** Null if the bytes have no known signature, and before {@link readHead}. */
  readonly format: Format | null;
  /** Sniffs the format, and reads the facts that need little: the first bytes, or a range such as the header of a movie. */
  readHead(): Promise<void>;
  /** Reads no further. */
  stop(): Promise<Rest>;
  /** Reads as far as the plan needs, and stops there. Publishes a provisional preview on the way. */
  readPlanned(): Promise<Rest>;
  /** Reads to the end. Publishes facts and previews on the way. */
  readWhole(): Promise<Rest>;
}

/** A body that has been read as far as it will be. */
export interface Rest {
  readonly body: Body;
  /** The best excerpt for the preview that the bytes have; null if there is none. */
  readonly excerpt: Excerpt | null;
  /** Whether an exact preview has been published already. */
  readonly isPreviewed: boolean;
}

export interface ReadingOptions {
  readonly source: Source;
  /** The requested fields; null for all. */
  readonly fields: Fields;
  readonly progress: Progress;
  readonly decoder: Pick<Decoder, "describe" | "measure" | "enabled">;
  /** Wait for the rest of a body before an excerpt of it is decoded. */
  readonly patienceMs: number;
}

type Mode = "head" | "planned" | "whole";

// A body that brings nothing for so long has stalled. The pause doubles each time: a dripping body is not parsed for each byte.
const stallMs = 50;

// Growth of the head before it is sniffed again, for the same reason.
const headGrowth = 1.25;

// The facts that are read ahead of the decode queue lie within the first bytes, or in a range.
const maxFactsPrefixBytes = 256 * 1024;

// An ID3 tag that goes on for so many bytes behind the head is skipped by a range: a cover. A shorter one is read.
const maxSkippedTagBytes = 32 * 1024;

// A range costs a connection. If the body is read to its end anyway, it is worth that only beyond so many bytes.
const minSkippedBytes = 1024 * 1024;

// A worker measures a file once its header is there, and perhaps again once more has come.
const maxMeasures = 3;

export function createReading({ source, fields, progress, decoder, patienceMs }: ReadingOptions): Reading {
  const wantsPreview = fields === null || previewFields.some((field) => fields.includes(field));
  const parts: Part[] = [];
  let format: Format | null = null;
  let plan: ReadPlan | null = null;
  let isSniffed = false;
  let tagged: Uint8Array | null = null; // the first bytes behind a long ID3 tag
  let isTagSkipped = false;
  let isDecided = false; // between formats whose difference lies beyond the first bytes
  let hasRanges = true;
  let pauseMs = stallMs;
  let isStalled = false;
  let measures = 0;
  let measuredBytes = 0;
  const previews = createEarlyPreviews({ progress, decoder });

  const hasMissingFacts = () => isMissing(factFields, progress.learn({}), fields);

  function file(): ReceivedFile {
    const { received, outcome, declaredBytes, isTooLarge } = source;
    const isWhole = outcome !== null && outcome.sha256 !== null;
    return {
      prefix: received,
      parts,
      length: isWhole ? received.byteLength : declaredBytes,
      isStalled: isStalled || isTooLarge,
    };
  }

  /** Sniffs the bytes so far, until there are enough of them or the body has ended. */
  function sniffSoFar(): void {
    const { received, outcome } = source;
    const behindTags = rangeBehindTags(received.subarray(0, sniffBytes));
    const isBehindTag = behindTags !== null && behindTags.to > received.byteLength && !isTagSkipped;
    isSniffed = outcome !== null || (received.byteLength >= sniffBytes && !isBehindTag);
    const head = received.subarray(0, Math.max(sniffBytes, behindTags?.to ?? 0));
    format = (tagged && sniff(tagged)) ?? sniffAs(head, source.declaredType);
    plan = format?.plan ?? null;
    // The tag alone proves no MP3.
    if (isBehindTag && !isSniffed && !isStalled) return;
    // For unknown bytes and text, Content-Type can be more precise.
    if (!isSniffed && (!format || format.kind === "text")) return;
    if (!format?.isUndecided?.(received.subarray(0, sniffBytes))) decideType();
  }

  /** Publishes the type: from now on it does not change. */
  function decideType(): void {
    const { received, outcome } = source;
    isDecided = isSniffed;
    // Not an empty file, which is complete: the body is encoded, or failed before its first byte.
    const isUnseen = received.byteLength === 0 && outcome?.sha256 === null;
    const { type, mismatch } = isUnseen
      ? { type: unseenType(source.declaredType), mismatch: false }
      : mediaType(format, source.declaredType);
    progress.learn({ type, warnings: isSniffed && mismatch ? ["type_mismatch"] : [] });
    if (isSniffed) progress.reportHead();
  }

  /** Reads the first bytes behind an ID3 tag that is longer than the head, if they are near or the server has ranges. */
  async function skipTag(): Promise<void> {
    const { received, declaredBytes, outcome } = source;
    const range = rangeBehindTags(received);
    if (!range || isTagSkipped || outcome !== null || received.byteLength < sniffBytes) return;
    isTagSkipped = true;
    const to = Math.min(range.to, declaredBytes ?? Infinity);
    const isFar = range.from > received.byteLength + maxSkippedTagBytes;
    if (isFar && declaredBytes !== null && range.from < to) await read({ from: range.from, to });
    const isRead = parts.some(({ at }) => at === range.from);
    if (!isRead && to <= maxFactsPrefixBytes) await grow(to);
    tagged = readRange(
      file(),
      range.from,
      Math.min(to, Math.max(range.from, isRead ? to : source.received.byteLength)),
    );
    if (tagged?.byteLength === 0) tagged = null;
  }

  /** Decides the type by a header, or by the first bytes alone if there is none. */
  function decideBy(header: Uint8Array | undefined): void {
    if (isDecided || (!isSniffed && !header)) return;
    format = (header && sniffHeader(header)) ?? format;
    plan = format?.plan ?? null;
    decideType();
  }

  /** Publishes the facts in the bytes so far; returns the need for the missing ones. */
  async function learnFacts(): Promise<Need | null> {
    if (!isSniffed) sniffSoFar();
    const unsniffed = isSniffed ? null : { prefix: sniffBytes };
    if (!plan || !format || (isDecided && !hasMissingFacts())) return unsniffed;
    const { known: facts, measurable, need, head } = plan.facts(file());
    if (head || need === null) decideBy(head);
    progress.learn(facts);
    if (!hasMissingFacts()) return unsniffed;
    if (measurable && measurable.byteLength > measuredBytes && measures < maxMeasures) {
      measures += 1;
      measuredBytes = measurable.byteLength;
      // Copied: the buffer may be replaced while the worker receives it.
      const measured = factsOf(await decoder.measure(measurable.slice(), format));
      progress.learn({ ...measured, ...facts });
    }
    return unsniffed ?? need;
  }

  /** Returns the preview in the bytes so far, if it is wanted. */
  function findPreview(mode: Mode): PreviewStep {
    const isDecoded = format?.decoding != null && decoder.enabled[format.decoding.setting];
    if (mode === "head" || !wantsPreview || !isDecoded || !plan) return { excerpt: null, need: null };
    return plan.preview(file());
  }

  /** Whether to read these bytes now; a whole body comes anyway. */
  function mayRead(need: Need, mode: Mode): boolean {
    if (need === "whole") return mode !== "head" && !source.isTooLarge;
    if (mode === "head") return "from" in need ? hasRanges : need.prefix <= maxFactsPrefixBytes;
    if (mode === "whole" && "from" in need && !isStalled)
      return need.from - source.received.byteLength > minSkippedBytes;
    return true;
  }

  /** Reads the needed bytes; false if nothing more comes. */
  async function read(need: Need): Promise<boolean> {
    if (need === "whole") return (await source.body()).sha256 !== null;
    if ("prefix" in need) return grow(need.prefix);
    if (!hasRanges) return grow(need.to); // the server has no ranges: read on to there
    const bytes = await source.range(need.from, need.to);
    hasRanges = bytes !== null;
    if (bytes) parts.push({ at: need.from, bytes });
    parts.sort((one, other) => one.at - other.at);
    return true;
  }

  /** Waits until the prefix has so many bytes, or stalls; false if nothing more comes. */
  async function grow(bytes: number): Promise<boolean> {
    if (source.outcome !== null) return false;
    const before = source.received.byteLength;
    const arrived = source.arrived(bytes);
    isStalled = false;
    for (let last = before; ;) {
      if (await settlesWithin(arrived, pauseMs)) return source.received.byteLength > before;
      if (source.received.byteLength === last) break;
      last = source.received.byteLength;
    }
    isStalled = true;
    pauseMs *= 2;
    return true;
  }

  /** Follows the plan as far as the mode allows; returns the best excerpt. */
  async function follow(mode: Mode): Promise<Excerpt | null> {
    for (let isAtEnd = false; ;) {
      const factsNeed = await learnFacts();
      const { excerpt, need: previewNeed } = findPreview(mode);
      const isFinal = mode === "planned" && excerpt && format && (await previews.isEnough(excerpt, format));
      const need = factsNeed ?? (isFinal ? null : previewNeed);
      if (excerpt && format && !isFinal && source.outcome === null) previews.decodeBeside(excerpt, format);
      if (need === null || !mayRead(need, mode)) return excerpt;
      const hasMore = await read(need);
      // After the end of the body the plan is asked once more: the length may be known only now.
      if (!hasMore && isAtEnd) return excerpt;
      isAtEnd = !hasMore;
    }
  }

  /** No range has brought the header of the tracks, which may come much later: the declared type is good enough. */
  function decideByDeclaredType(): void {
    if (format && declares(format, source.declaredType)) decideBy(undefined);
  }

  /** Ends the body here. If all its bytes are there, its end is there too: then it is counted. */
  async function stopSource(): Promise<Body> {
    if (source.received.byteLength !== source.declaredBytes) source.stop();
    return source.body();
  }

  return {
    get format() {
      return format;
    },

    async readHead() {
      for (let bytes = 1; !isSniffed; bytes = Math.ceil(source.received.byteLength * headGrowth) + 1) {
        const wanted = Math.min(sniffBytes, bytes);
        await grow(wanted);
        await skipTag();
        await learnFacts();
        // The body has stalled: the preview may be there all the same.
        if (source.received.byteLength < wanted && format && format.kind !== "text") return;
      }
      await follow("head");
      decideByDeclaredType();
    },

    async stop() {
      decideBy(undefined);
      return { body: await stopSource(), excerpt: null, isPreviewed: false };
    },

    async readPlanned() {
      const excerpt = await follow("planned");
      decideBy(undefined);
      await previews.end();
      return { body: await stopSource(), excerpt, isPreviewed: previews.isPublished };
    },

    async readWhole() {
      const whole = source.body();
      // A near origin has sent everything by then: to follow its plan would only be more work.
      await settlesWithin(whole, patienceMs);
      if (source.outcome !== null && source.outcome.sha256 !== null) {
        await learnFacts();
        decideBy(undefined);
        return { body: await whole, excerpt: null, isPreviewed: false };
      }
      const ended = whole.finally(() => void previews.end());
      const [body, excerpt] = await Promise.all([ended, follow("whole")]);
      decideBy(undefined);
      await previews.end();
      return { body, excerpt, isPreviewed: previews.isPublished };
    },
  };
}

/** Returns the known dimensions and duration; an unknown one is absent, so that it replaces nothing. */
export function factsOf({ width, height, durationMs }: Picture): PlannedFacts {
  return {
    ...(width !== null && height !== null && { width, height }),
    ...(durationMs !== null && { durationMs }),
  };
}

/** Whether the promise settles within this time. Without an abort signal, whose errors would cost more than the chunks. */
function settlesWithin(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds, false);
    void promise.then(() => resolve(true), reject).finally(() => clearTimeout(timer));
  });
}
