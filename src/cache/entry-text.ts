import { type FailureCode, failures, unreachableReasons } from "../domain/errors.ts";
import { cleanFilename } from "../domain/filename.ts";
import { isBlurhash, isThumbhash, type Metadata, unknownMetadata, warningCodes } from "../domain/metadata.ts";
import { isDurationMs, isSide } from "../domain/size.ts";
import { isEntityTag, isHttpDate, type Validators } from "../domain/terms.ts";
import type { Entry, CachedFailure, LastFailure, Success } from "./entry.ts";

/** An entry and the key it belongs to, which is part of its text: under another key the text is worth nothing. */
export interface KeyedEntry {
  readonly key: string;
  readonly entry: Entry;
}

/** Longest text of an entry, in UTF-8: twice what one takes with the longest file names and types, and all warnings. */
export const maxEntryBytes = 8192;

const keyForm = /^[A-Za-z0-9_-]{43}$/;

/** Whether a text is a key: SHA-256 in base64url. */
export function isKey(text: string): boolean {
  return keyForm.test(text);
}

/** One line of JSON, without URL text. */
export function entryToText(key: string, { success, setback }: Entry): string {
  return JSON.stringify({ key, success, setback });
}

/**
 * Reads what {@link entryToText} wrote, from a file or a store that others may write to.
 *
 * Only what a lookup of ours could have ended with is taken: each value in its range and alphabet, no field missing and none
 * too many. What is given is built anew, so nothing else of the text lives on.
 *
 * @param time epoch milliseconds: what was learnt after it, but for clocks that differ, is a lie
 * @returns null where it is anything else
 */
export function textToEntry(text: string, time: number): KeyedEntry | null {
  if (text.length > maxEntryBytes) return null;
  try {
    const { key, success, setback } = keyedParts(JSON.parse(text));
    if (success && !isTimely(success.since, endsOf(success), time)) return null;
    if (setback && !isTimely(setback.since, [setback.until], time)) return null;
    if (success) return { key, entry: { success, setback } };
    return setback && { key, entry: { success, setback } };
  } catch {
    return null; // no JSON, or a value that no reader takes
  }
}

// Clocks of replicas may differ so much; and nothing holds longer, whatever the settings.
const clockSkewMs = 60_000;
const maxLifetimeMs = 500 * 24 * 60 * 60_000;

function isTimely(since: number, ends: readonly number[], time: number): boolean {
  return since <= time + clockSkewMs && ends.every((end) => since <= end && end <= since + maxLifetimeMs);
}

function endsOf({ freshUntil, staleUntil, staleOnErrorUntil }: Success): readonly number[] {
  return [freshUntil, staleUntil, staleOnErrorUntil];
}

/** Gives the value in its type, or throws. */
type Reader<T> = (value: unknown) => T;

class Unreadable extends Error {}

function reader<T>(isSo: (value: unknown) => boolean): Reader<T> {
  return (value) => {
    if (!isSo(value)) throw new Unreadable();
    return value as T;
  };
}

const nullable =
  <T>(read: Reader<T>): Reader<T | null> =>
  (value) =>
    value === null ? null : read(value);

const integer = (least: number, most = Number.MAX_SAFE_INTEGER) =>
  reader<number>((value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most);

const text = (isSo: (text: string) => boolean) => reader<string>((value) => typeof value === "string" && isSo(value));

const form = (form: RegExp) => text((value) => form.test(value));

const oneOf = <T>(values: readonly T[]) => reader<T>((value) => values.includes(value as T));

/** Exactly these fields, all of them the object's own. */
function record<T extends object>(fields: { readonly [Name in keyof T]-?: Reader<T[Name]> }): Reader<T> {
  const readers = Object.entries<Reader<unknown>>(fields);
  return (value) => {
    if (typeof value !== "object" || value === null || Object.keys(value).length !== readers.length) {
      throw new Unreadable();
    }
    const parts = readers.map(([name, read]) => {
      if (!Object.hasOwn(value, name)) throw new Unreadable();
      return [name, read((value as Record<string, unknown>)[name])];
    });
    return Object.freeze(Object.fromEntries(parts)) as T;
  };
}

/** At most one of each. */
const subset =
  <T>(values: readonly T[]): Reader<readonly T[]> =>
  (value) => {
    if (!Array.isArray(value) || new Set(value).size !== value.length) throw new Unreadable();
    return Object.freeze(value.map(oneOf(values)));
  };

// Not always whole: a tenth of a span.
const time = reader<number>((value) => Number.isFinite(value) && (value as number) >= 0);
const sha256 = form(/^[0-9a-f]{64}$/);

const metadata = record<Metadata>({
  bytes: nullable(integer(0)),
  bytesSource: nullable(oneOf(["counted", "declared"] as const)),
  // RFC 9110 8.3.1, RFC 6838 4.2
  type: form(/^[a-z0-9!#$%&'*+.^_`|~-]{1,127}\/[a-z0-9!#$%&'*+.^_`|~-]{1,127}$/),
  blurhash: nullable(text(isBlurhash)),
  width: nullable(reader<number>(isSide)),
  height: nullable(reader<number>(isSide)),
  thumbhash: nullable(text(isThumbhash)),
  animated: nullable(oneOf([true, false])),
  durationMs: nullable(reader<number>(isDurationMs)),
  sha256: nullable(sha256),
  filename: nullable(text((name) => cleanFilename(name) === name)),
  warnings: subset(warningCodes),
});

const validators = record<Validators>({
  etag: nullable(text(isEntityTag)),
  lastModified: nullable(text(isHttpDate)),
  urlHash: sha256,
});

const success = record<Success>({
  metadata,
  fields: nullable(subset(Object.keys(unknownMetadata) as (keyof Metadata)[])),
  since: time,
  freshUntil: time,
  staleUntil: time,
  staleOnErrorUntil: time,
  validators: nullable(validators),
});

// The others say something of us, or of the question.
const ofSources = (Object.keys(failures) as FailureCode[]).filter((code) => code.startsWith("source_"));

const failure = record<CachedFailure>({
  code: oneOf(ofSources),
  upstreamStatus: nullable(integer(100, 999)),
  reason: nullable(oneOf(unreachableReasons)),
});

const described = record<{ metadata: Metadata }>({ metadata });
const failed = record<{ failure: CachedFailure }>({ failure });

const setback = record<LastFailure>({
  outcome: (value) =>
    typeof value === "object" && value !== null && Object.hasOwn(value, "failure") ? failed(value) : described(value),
  since: time,
  until: time,
  timeouts: integer(0),
});

const keyedParts = record<{ key: string; success: Success | null; setback: LastFailure | null }>({
  key: text(isKey),
  success: nullable(success),
  setback: nullable(setback),
});
