import type { Description } from "../domain/description.ts";
import { OracleError } from "../domain/errors.ts";
import type { Metadata } from "../domain/metadata.ts";
import type { CachedAnswer, EntryPart } from "./entry.ts";

// One object for all who ask, as long as the part is remembered: a hit makes nothing.
const descriptions = {
  hit: new WeakMap<EntryPart, Description>(),
  stale: new WeakMap<EntryPart, Description>(),
};

/** What is remembered, as a description that has ended. */
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
    head: done,
    fields: "fields" in part ? part.fields : null,
    cached,
    timings: {},
    stages: [],
    terms: null,
    kept: lifetimeOf(part),
  };
  descriptions[cached].set(part, description);
  return description;
}

export function lifetimeOf(part: EntryPart): NonNullable<Description["kept"]> {
  return { since: part.since, until: "until" in part ? part.until : part.freshUntil };
}

/** The metadata, or the failure as it was. */
export function outcomeOf(part: EntryPart): Metadata | OracleError {
  if ("metadata" in part) return part.metadata;
  if ("metadata" in part.outcome) return part.outcome.metadata;
  const { code, upstreamStatus, reason } = part.outcome.failure;
  return new OracleError(code, "remembered", {
    ...(upstreamStatus !== null && { upstreamStatus }),
    ...(reason !== null && { reason }),
  });
}
