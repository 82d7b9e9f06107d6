import type { Description } from "../domain/description.ts";
import { OracleError } from "../domain/errors.ts";
import type { Metadata } from "../domain/metadata.ts";
import type { CachedAnswer, EntryPart } from "./entry.ts";

// Memoized per entry part, so that a hit allocates nothing.
const descriptions = {
  hit: new WeakMap<EntryPart, Description>(),
  stale: new WeakMap<EntryPart, Description>(),
};

/** Makes a finished description of a cached answer. */
export function describeCachedAnswer({ cached, part }: CachedAnswer): Description {
  const known = descriptions[cached].get(part);
  if (known) return known;
  const outcome = outcomeOf(part);
  const isFailure = outcome instanceof OracleError;
  const done = isFailure ? Promise.reject(outcome) : Promise.resolve(outcome);
  done.catch(() => undefined);
  const description: Description = {
    known: isFailure ? null : outcome,
    done,
    until: () => done,
    fields: "fields" in part ? part.fields : null,
    cached,
    timings: {},
    stages: [],
    decodeTimeoutCause: null,
    terms: null,
    kept: lifetimeOf(part),
  };
  descriptions[cached].set(part, description);
  return description;
}

/** When a part was learnt, and how long it is fresh; epoch milliseconds. */
export function lifetimeOf(part: EntryPart): NonNullable<Description["kept"]> {
  return { since: part.since, until: "until" in part ? part.until : part.freshUntil };
}

/** Returns the metadata of a part, or its failure as an error. */
export function outcomeOf(part: EntryPart): Metadata | OracleError {
  if ("metadata" in part) return part.metadata;
  if ("metadata" in part.outcome) return part.outcome.metadata;
  const { code, upstreamStatus, reason } = part.outcome.failure;
  return withoutStackTrace(
    () =>
      new OracleError(code, "cached failure", {
        ...(upstreamStatus !== null && { upstreamStatus }),
        ...(reason !== null && { reason }),
      }),
  );
}

/** A memoized error would keep the frames of its stack trace, and with them the request that made it: up to 8 kB of URL. */
function withoutStackTrace(makeError: () => OracleError): OracleError {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return makeError();
  } finally {
    Error.stackTraceLimit = limit;
  }
}
