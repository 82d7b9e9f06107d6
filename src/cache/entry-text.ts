import { type FailureCode, failures, unreachableReasons } from "../domain/errors.ts";
import { cleanFilename } from "../domain/filename.ts";
import {
  isBlurhash,
  isThumbhash,
  isThumbnail,
  type Metadata,
  unknownMetadata,
  warningCodes,
} from "../domain/metadata.ts";
import { isDurationMs, isSide } from "../domain/size.ts";
import { isEntityTag, isHttpDate, type Validators } from "../domain/terms.ts";
import type { Entry, CachedFailure, LastFailure, Success } from "./entry.ts";

/** An entry and its key. The key is part of the text, so that a text stored under another key is rejected. */
export interface KeyedEntry {
  readonly key: string;
  readonly entry: Entry;
}

/** Maximum text of an entry, in UTF-8 bytes: twice the size of one with the longest file name and type and all warnings. */
export const maxEntryBytes = 10 * 1024;

const keyForm = /^[A-Za-z0-9_-]{43}$/;

/** Whether a text is a key: SHA-256 in base64url. */
export function isKey(text: string): boolean {
  return keyForm.test(text);
}

/** Serializes an entry as one line of JSON, without URL text. */
export function entryToText(key: string, { success, setback }: Entry): string {
  return JSON.stringify({ key, success, setback });
}

/**
 * Parses the text of an entry. The text is untrusted: other programs may write to the snapshot file and to Redis.
 *
 * Accepts only an entry that a lookup of ours could have produced: each value in its range and alphabet, no missing and no
 * unknown field. The entry is built from the checked values only, so no other part of the text survives.
 *
 * @param time epoch milliseconds: a later lookup time is rejected, apart from clock skew
 * @returns null if the text is not such an entry
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
    return null; // not JSON, or an invalid value
  }
}

// Tolerated difference between the clocks of replicas.
const clockSkewMs = 60_000;
// Longer than any lifetime that the settings allow.
const maxLifetimeMs = 500 * 24 * 60 * 60_000;

function isTimely(since: number, ends: readonly number[], time: number): boolean {
  return since <= time + clockSkewMs && ends.every((end) => since <= end && end <= since + maxLifetimeMs);
}

function endsOf({ freshUntil, staleUntil, staleOnErrorUntil }: Success): readonly number[] {
  return [freshUntil, staleUntil, staleOnErrorUntil];
}

/** Returns a valid value in its type; throws for any other. */
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

/** Reads an object with exactly these fields, all of them its own properties (against prototype pollution). */
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

/** Reads a list of some of the values, without duplicates. */
const subset =
  <T>(values: readonly T[]): Reader<readonly T[]> =>
  (value) => {
    if (!Array.isArray(value) || new Set(value).size !== value.length) throw new Unreadable();
    return Object.freeze(value.map(oneOf(values)));
  };

// Not always an integer: some lifetimes are a tenth of another time.
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
  thumbnail: nullable(text(isThumbnail)),
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

// Only failures of the origin are cached; the others depend on this service or on the request.
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
