import { LRUCache } from "lru-cache";
import { type Description, type Oracle, seenAs } from "../domain/description.ts";
import type { Metadata } from "../domain/metadata.ts";
import type { Target } from "../domain/target.ts";
import { type OracleError, toOracleError } from "../domain/errors.ts";
import { failureLifetimeMs, isBrief, metadataLifetimeMs } from "./lifetime.ts";

export interface CacheOptions {
  /** Memory that all entries together may take, in bytes, as {@link entryBytes} estimates it. */
  readonly maxBytes: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** An oracle that can also be asked what it would answer from memory. */
export interface RememberingOracle extends Oracle {
  /** The outcome that is remembered, or null; starts nothing. */
  readonly remembered: (target: Target) => Description | null;
}

// What V8 takes for an entry besides its text: the description, the metadata, the maps' slots. Measured: 1.1 to 1.4 kB.
const entryOverheadBytes = 1500;

// The brief ones may take this share: a flood of dead links must leave the pictures where they are.
const briefShare = 1 / 8;

function entryBytes(description: Description, key: string): number {
  return entryOverheadBytes + 2 * (key.length + (description.known?.filename?.length ?? 0));
}

/**
 * Answers from memory what was looked up lately, and lets any number of callers share one lookup under way.
 *
 * A failure is remembered for a short time by its kind, apart from the successes, and so are descriptions that were cut
 * short: neither evicts nor replaces a success. Nobody who leaves ends the lookup of the others.
 */
export function cached(oracle: Oracle, { maxBytes, now }: CacheOptions): RememberingOracle {
  const settled = new LRUCache<string, Description>({
    maxSize: maxBytes * (1 - briefShare),
    sizeCalculation: entryBytes,
  });
  const brief = new LRUCache<string, Description>({ maxSize: maxBytes * briefShare, sizeCalculation: entryBytes });
  const running = new Map<string, Description>();

  function fresh(tier: LRUCache<string, Description>, key: string): Description | undefined {
    const entry = tier.get(key);
    return entry?.kept && now() < entry.kept.until ? entry : undefined;
  }

  function keep(key: string, outcome: Metadata | OracleError): Description["kept"] {
    const isFailure = outcome instanceof Error;
    const lifetimeMs = isFailure ? failureLifetimeMs(outcome) : metadataLifetimeMs(outcome);
    if (lifetimeMs === 0) return null;
    const kept = { since: now(), until: now() + lifetimeMs };
    const done = isFailure ? Promise.reject(outcome) : Promise.resolve(outcome);
    done.catch(() => undefined);
    const entry: Description = { known: isFailure ? null : outcome, done, cached: "hit", timings: {}, kept };
    if (isFailure || isBrief(outcome)) {
      brief.set(key, entry);
    } else {
      settled.set(key, entry);
      brief.delete(key);
    }
    return kept;
  }

  function start(key: string, description: Description): Description {
    let kept: Description["kept"] = null;
    const done = description.done.then(
      (metadata) => {
        running.delete(key);
        kept = keep(key, metadata);
        return metadata;
      },
      (error: unknown) => {
        running.delete(key);
        kept = keep(key, toOracleError(error));
        throw error;
      },
    );
    done.catch(() => undefined);
    return seenAs(description, "miss", done, () => kept);
  }

  const remembered = ({ href }: Target) => fresh(settled, href) ?? fresh(brief, href) ?? null;

  function describe(target: Target): Description {
    const entry = remembered(target);
    if (entry) return entry;
    const key = target.href;
    const shared = running.get(key);
    if (shared) return seenAs(shared, "collapsed");
    const description = start(key, oracle(target));
    running.set(key, description);
    return description;
  }

  return Object.assign(describe, { remembered });
}
