import { describe, expect, test } from "vitest";
import { cached } from "../../../src/cache/cached.ts";
import { createKeys } from "../../../src/cache/key.ts";
import { createMemory } from "../../../src/cache/memory.ts";
import { createCachePolicy } from "../../../src/cache/cache-policy.ts";
import { answerBy, type Oracle, type Previous, startDescription } from "../../../src/domain/description.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import type { Fields } from "../../../src/domain/fields.ts";
import { type Metadata, unknownMetadata } from "../../../src/domain/metadata.ts";
import { targetOf } from "../../support/targets.ts";
import { termsWith } from "../../support/terms.ts";

const picture = targetOf("https://example.com/a.png");
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

interface Lookup {
  /** The requested fields. */
  readonly fields: Fields | undefined;
  /** The earlier success that the cache passes for a conditional request. */
  readonly previous: Previous | undefined;
  reportHead(part: Partial<Metadata>): void;
  /** Ends the lookup after its head, with only the requested fields. */
  endAtHead(part: Partial<Metadata>, cacheControl?: string): Promise<void>;
  learn(part: Partial<Metadata>): void;
  /** Ends the lookup with all fields. */
  end(part?: Partial<Metadata>, cacheControl?: string): Promise<void>;
  /** Ends the lookup with 304 Not Modified. */
  confirm(cacheControl?: string): Promise<void>;
  fail(error: OracleError): Promise<void>;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Creates a cached oracle whose lookups the test ends, and a clock that the test moves. */
function startCache({ maxBytes = 1024 ** 2 } = {}) {
  const lookups: Lookup[] = [];
  const clock = { ms: 1_700_000_000_000 };
  const now = () => clock.ms;
  const pipeline: Oracle = (_target, fields, previous) =>
    startDescription(
      (progress) =>
        new Promise((resolve, reject) => {
          lookups.push({
            fields,
            previous,
            reportHead(part) {
              progress.learn(part);
              progress.reportHead();
            },
            async endAtHead(part, cacheControl) {
              progress.setCacheHeaders(termsWith({ cacheControl }));
              progress.limitTo(fields ?? null);
              resolve(progress.learn(part));
              await settled();
            },
            learn: (part) => void progress.learn(part),
            async end(part = {}, cacheControl) {
              progress.setCacheHeaders(termsWith({ cacheControl }));
              resolve(progress.learn(part));
              await settled();
            },
            async confirm(cacheControl) {
              progress.setCacheHeaders(termsWith({ cacheControl }));
              resolve(progress.confirm(previous?.metadata ?? unknownMetadata));
              await settled();
            },
            async fail(error) {
              reject(error);
              await settled();
            },
          });
        }),
    );
  const limits = { minMs: minuteMs, maxMs: 7 * dayMs, defaultMs: hourMs, failureMs: minuteMs };
  const oracle = cached(pipeline, {
    keyOf: createKeys("the settings of the test"),
    memory: createMemory(maxBytes),
    shared: null,
    policy: createCachePolicy({ limits, now, random: () => 0.5 }),
    now,
  });
  return { oracle, lookups, clock };
}

const status = (upstreamStatus: number) => new OracleError("source_status", "from the test", { upstreamStatus });
const timeout = () => new OracleError("source_unreachable", "from the test", { reason: "timeout" });

test("request coalescing: a thousand concurrent callers share one lookup", async () => {
  const { oracle, lookups } = startCache();
  const descriptions = Array.from({ length: 1000 }, () => oracle(picture));
  await lookups[0]!.end({ bytes: 7 });
  const answers = await Promise.all(descriptions.map(({ done }) => done));
  expect(lookups).toHaveLength(1);
  expect(new Set(answers)).toEqual(new Set([expect.objectContaining({ bytes: 7 })]));
  expect(descriptions.map(({ cached }) => cached)).toEqual(["miss", ...Array.from({ length: 999 }, () => "collapsed")]);
});

test("a coalesced caller that stops at its own deadline does not cancel the lookup of the others", async () => {
  const { oracle, lookups } = startCache();
  const withDeadline = answerBy(oracle(picture), 1);
  const withoutDeadline = answerBy(oracle(picture), null);
  lookups[0]!.learn({ type: "image/png" });
  expect(await withDeadline).toMatchObject({ partial: true, metadata: { type: "image/png", bytes: null } });
  await lookups[0]!.end({ bytes: 7 });
  expect(await withoutDeadline).toMatchObject({ partial: false, metadata: { type: "image/png", bytes: 7 } });
});

test("a lookup that ends after the last caller has left is cached", async () => {
  const { oracle, lookups } = startCache();
  await expect(answerBy(oracle(picture), 1)).rejects.toMatchObject({ code: "deadline_exceeded" });
  await lookups[0]!.end({ bytes: 7 });
  const again = oracle(picture);
  expect(again.cached).toBe("hit");
  expect(await again.done).toMatchObject({ bytes: 7 });
});

test("hits return the same description object, so that its response is serialized once", async () => {
  const { oracle, lookups } = startCache();
  const first = oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  expect(oracle(picture)).toBe(oracle(picture));
  expect(oracle(picture).known).toBe(await first.done);
});

test("negative caching: a 404 is a hit with the same failure for 10 minutes", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.fail(status(404));
  clock.ms += 10 * minuteMs - 1;
  const again = oracle(picture);
  expect([again.cached, again.known]).toEqual(["hit", null]);
  await expect(again.done).rejects.toMatchObject({ code: "source_status", upstreamStatus: 404 });
  clock.ms += 1;
  expect(oracle(picture).cached).toBe("miss");
});

test("negative caching: the details of a failure for the log come with its lookup, and are not cached", async () => {
  const { oracle, lookups } = startCache();
  const details = { reason: "tls", tlsError: "CERT_HAS_EXPIRED" } as const;
  const [first, joined] = [oracle(picture), oracle(picture)];
  await lookups[0]!.fail(new OracleError("source_unreachable", "from the test", details));
  for (const { done } of [first, joined]) await expect(done).rejects.toMatchObject(details);
  await expect(oracle(picture).done).rejects.toMatchObject({ reason: "tls", tlsError: undefined });
});

test.each(["overloaded", "host_busy", "internal"] as const)(
  "the failure %s is not cached: the target is not its cause",
  async (code) => {
    const { oracle, lookups } = startCache();
    const first = oracle(picture);
    await lookups[0]!.fail(new OracleError(code, "from the test"));
    await expect(first.done).rejects.toMatchObject({ code });
    expect(first.kept).toBeNull();
    expect(oracle(picture).cached).toBe("miss");
  },
);

test("a flood of failures does not evict a success", async () => {
  const { oracle, lookups } = startCache({ maxBytes: 64 * 1024 });
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  for (let index = 1; index <= 500; index += 1) {
    oracle(targetOf(`https://example.com/${index}`));
    await lookups[index]!.fail(status(404));
  }
  expect(oracle(picture).cached).toBe("hit");
});

test("the memory is bounded, and evicts the least recently used entries", async () => {
  const { oracle, lookups } = startCache({ maxBytes: 64 * 1024 });
  for (let index = 0; index < 200; index += 1) {
    oracle(targetOf(`https://example.com/${index}`));
    await lookups[index]!.end();
  }
  expect(oracle(targetOf("https://example.com/0")).cached).toBe("miss");
  expect(oracle(targetOf("https://example.com/199")).cached).toBe("hit");
});

test("a miss and a coalesced caller get the lifetime of the new entry", async () => {
  const { oracle, lookups, clock } = startCache();
  const first = oracle(picture);
  const second = oracle(picture);
  expect(first.kept).toBeNull();
  await lookups[0]!.end();
  expect(first.kept).toEqual({ since: clock.ms, until: clock.ms + hourMs });
  expect(second.kept).toEqual(first.kept);
});

test("isCached is true for fresh and for stale entries, and starts no lookup", async () => {
  const { oracle, lookups, clock } = startCache();
  expect(oracle.isCached(picture)).toBe(false);
  void oracle(picture);
  expect(oracle.isCached(picture)).toBe(false); // a lookup in progress
  await lookups[0]!.end({ bytes: 7 });
  expect(oracle.isCached(picture)).toBe(true);
  clock.ms += hourMs + 10 * minuteMs - 1;
  expect(oracle.isCached(picture)).toBe(true); // stale-while-revalidate
  clock.ms += 1;
  expect(oracle.isCached(picture)).toBe(false);
  expect(lookups).toHaveLength(1);
});

test.each(["address", "timeout", "reset", "name"] as const)(
  "isCached is false for an unreachable target (%s), since its TTL would reveal the reason",
  async (reason) => {
    const { oracle, lookups } = startCache();
    oracle(picture);
    await lookups[0]!.fail(new OracleError("source_unreachable", "from the test", { reason }));
    expect(oracle(picture).cached).toBe("hit");
    expect(oracle.isCached(picture)).toBe(false);
  },
);

test("stale-while-revalidate: a stale success is answered at once during a single background refresh", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 }, "max-age=600");
  clock.ms += 600_000;
  const stale = Array.from({ length: 10 }, () => oracle(picture));
  expect(stale.map(({ cached, known }) => [cached, known?.bytes])).toEqual(stale.map(() => ["stale", 7]));
  expect(stale[0]!.kept).toEqual({ since: clock.ms - 600_000, until: clock.ms });
  expect(lookups).toHaveLength(2);
  await lookups[1]!.end({ bytes: 8 }, "max-age=600");
  const fresh = oracle(picture);
  expect([fresh.cached, fresh.known?.bytes]).toEqual(["hit", 8]);
  expect(lookups).toHaveLength(2);
});

test("after stale-while-revalidate a caller waits for the background refresh that is in progress", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 }, "max-age=600");
  clock.ms += 600_000;
  oracle(picture); // starts the refresh
  clock.ms += 60_000;
  const late = oracle(picture);
  expect(late.cached).toBe("collapsed");
  await lookups[1]!.end({ bytes: 8 });
  expect(await late.done).toMatchObject({ bytes: 8 });
  expect(lookups).toHaveLength(2);
});

test("a failed refresh is not repeated within the failure TTL, and the stale success is answered meanwhile", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 }, "max-age=600");
  clock.ms += 600_000;
  oracle(picture);
  await lookups[1]!.fail(status(500));
  clock.ms += minuteMs - 1;
  expect(oracle(picture)).toMatchObject({ cached: "stale", known: { bytes: 7 } });
  expect(lookups).toHaveLength(2);
  clock.ms += 1;
  const waiting = oracle(picture); // after stale-while-revalidate
  expect([waiting.cached, lookups.length]).toEqual(["miss", 3]);
  await lookups[2]!.fail(status(500));
  expect([waiting.cached, (await waiting.done).bytes]).toEqual(["stale", 7]);
});

test.each([
  ["401", () => status(401)],
  ["403", () => status(403)],
  ["429", () => status(429)],
  ["503", () => status(503)],
  ["500", () => status(500)],
  ["a timeout", timeout],
  ["a reset", () => new OracleError("source_unreachable", "from the test", { reason: "reset" })],
  ["a refused address", () => new OracleError("source_unreachable", "from the test", { reason: "address" })],
  ["our own overload", () => new OracleError("overloaded", "from the test")],
])("stale-if-error: after %s, a success that expired less than a day ago is answered", async (_name, error) => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  clock.ms += hourMs + dayMs - 1;
  const answer = oracle(picture);
  await lookups[1]!.fail(error());
  expect((await answer.done).bytes).toBe(7);
  expect([answer.cached, answer.known?.bytes]).toEqual(["stale", 7]);
  expect(answer.kept).toEqual({ since: clock.ms + 1 - hourMs - dayMs, until: clock.ms + 1 - dayMs });
});

test("stale-if-error ends a day after a success has expired", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  clock.ms += hourMs + dayMs;
  const answer = oracle(picture);
  await lookups[1]!.fail(status(500));
  await expect(answer.done).rejects.toMatchObject({ upstreamStatus: 500 });
});

test.each(["body_truncated", "body_timeout", "decode_timeout"] as const)(
  "a description with the warning %s does not replace a complete one, and is answered without one",
  async (warning) => {
    const { oracle, lookups, clock } = startCache();
    oracle(picture);
    await lookups[0]!.end({ warnings: [warning], bytes: 6 });
    expect(oracle(picture)).toMatchObject({ cached: "hit", known: { bytes: 6 } });
    clock.ms += 2 * minuteMs;
    oracle(picture);
    await lookups[1]!.end({ bytes: 7 });
    clock.ms += 2 * hourMs;
    const answer = oracle(picture);
    await lookups[2]!.end({ warnings: [warning], bytes: 6 });
    expect(await answer.done).toMatchObject({ bytes: 7 });
    expect([answer.cached, answer.known?.bytes]).toEqual(["stale", 7]);
  },
);

test.each([404, 410, 451])("a %i status drops the cached success", async (gone) => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  clock.ms += hourMs;
  expect(oracle(picture).cached).toBe("stale");
  await lookups[1]!.fail(status(gone));
  const answer = oracle(picture);
  expect(answer.cached).toBe("hit");
  await expect(answer.done).rejects.toMatchObject({ upstreamStatus: gone });
  clock.ms += 10 * minuteMs;
  const later = oracle(picture);
  await lookups[2]!.fail(status(500));
  await expect(later.done).rejects.toMatchObject({ upstreamStatus: 500 });
});

test("an internal error is reported instead of a stale success", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  clock.ms += 2 * hourMs;
  const answer = oracle(picture);
  await lookups[1]!.fail(new OracleError("internal", "from the test"));
  await expect(answer.done).rejects.toMatchObject({ code: "internal" });
});

test("consecutive timeouts double the TTL, up to 10 minutes, and a success resets it", async () => {
  const { oracle, lookups, clock } = startCache();
  for (const minutes of [2, 4, 8, 10, 10]) {
    oracle(picture);
    await lookups.at(-1)!.fail(timeout());
    clock.ms += minutes * minuteMs - 1;
    expect(oracle(picture).cached).toBe("hit");
    clock.ms += 1;
  }
  oracle(picture);
  await lookups.at(-1)!.end({ bytes: 7 }); // resets the TTL
  clock.ms += 3 * dayMs;
  oracle(picture);
  await lookups.at(-1)!.fail(timeout());
  clock.ms += 2 * minuteMs;
  expect(oracle(picture).cached).toBe("miss");
});

test("at the deadline a stale success is answered if the origin has not responded", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  clock.ms += 2 * hourMs;
  expect(await answerBy(oracle(picture), 1)).toMatchObject({ partial: true, metadata: { bytes: 7 } });
  lookups[1]!.learn({ type: "image/png" });
  expect(await answerBy(oracle(picture), 1)).toMatchObject({ partial: true, metadata: { bytes: null } });
});

test("a 304 keeps the metadata as the same object, and restarts its lifetime", async () => {
  const { oracle, lookups, clock } = startCache();
  const first = oracle(picture);
  await lookups[0]!.end({ bytes: 7 }, "max-age=600");
  clock.ms += hourMs;
  const answer = oracle(picture);
  expect(lookups[1]!.previous?.metadata).toBe(await first.done);
  await lookups[1]!.confirm("max-age=1200");
  expect(await answer.done).toBe(await first.done);
  expect([answer.cached, answer.kept]).toEqual(["revalidated", { since: clock.ms, until: clock.ms + 1_200_000 }]);
  expect(oracle(picture)).toMatchObject({ cached: "hit", known: { bytes: 7 } });
});

test("a 304 without freshness headers restarts the previous TTL", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 }, "max-age=600");
  clock.ms += dayMs;
  const answer = oracle(picture);
  await lookups[1]!.confirm();
  expect(answer.kept).toEqual({ since: clock.ms, until: clock.ms + 600_000 });
  clock.ms += 600_000;
  expect(oracle(picture).cached).toBe("stale");
});

test("an invalidated target is looked up again, without a conditional request", async () => {
  const { oracle, lookups } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  await oracle.invalidate(picture);
  expect(oracle(picture).cached).toBe("miss");
  expect(lookups[1]!.previous).toBeUndefined();
});

test("a lookup in progress when its target is invalidated is answered, but not cached", async () => {
  const { oracle, lookups } = startCache();
  const before = oracle(picture);
  await oracle.invalidate(picture);
  const after = oracle(picture);
  expect([after.cached, lookups.length]).toEqual(["miss", 2]);
  await lookups[0]!.end({ bytes: 7 });
  expect((await before.done).bytes).toBe(7);
  expect(before.kept).toBeNull();
  expect(oracle(picture).cached).toBe("collapsed"); // with the second lookup, which the first must not end
  await lookups[1]!.end({ bytes: 8 });
  expect((await after.done).bytes).toBe(8);
  expect(oracle(picture).known?.bytes).toBe(8);
});

test("a refresh in progress does not restore or answer an invalidated success", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  clock.ms += 2 * hourMs;
  const waiting = oracle(picture);
  await oracle.invalidate(picture);
  await lookups[1]!.fail(status(500));
  await expect(waiting.done).rejects.toMatchObject({ upstreamStatus: 500 });
  expect(oracle(picture).cached).toBe("miss");
});

describe("requests for some fields", () => {
  const needed = ["type", "bytes", "width"] as const;
  const head = { type: "image/png", bytes: 7, bytesSource: "declared", width: 3, height: 2 } as const;

  test("a lookup for some fields is a hit for these, and a miss for all fields", async () => {
    const { oracle, lookups } = startCache();
    const first = oracle(picture, needed);
    expect(lookups[0]!.fields).toEqual(needed);
    await lookups[0]!.endAtHead(head);
    expect(await first.done).toMatchObject(head);
    expect(oracle(picture, ["width", "height"]).cached).toBe("hit");
    expect(oracle.isCached(picture, ["height"])).toBe(true);
    expect(oracle.isCached(picture)).toBe(false);
    const all = oracle(picture);
    expect([all.cached, lookups[1]!.fields, lookups[1]!.previous]).toEqual(["miss", null, undefined]);
    await lookups[1]!.end({ ...head, bytes: 8, blurhash: "whole" });
    expect(oracle(picture)).toMatchObject({ cached: "hit", known: { blurhash: "whole" } });
    expect(oracle(picture, needed)).toMatchObject({ cached: "hit", known: { bytes: 8 } });
    expect(lookups).toHaveLength(2);
  });

  test("a requested field that the lookup could not find is a hit", async () => {
    const { oracle, lookups } = startCache();
    oracle(picture, needed);
    await lookups[0]!.endAtHead({ type: "audio/mpeg", bytes: 7 });
    expect(oracle(picture, ["width"]).cached).toBe("hit");
    expect(oracle(picture, ["height"]).cached).toBe("miss");
  });

  test("a request for some fields joins a lookup for all, and is answered as soon as its head has them", async () => {
    const { oracle, lookups } = startCache();
    const all = oracle(picture);
    const [less, more] = [answerBy(oracle(picture, needed), null, needed), answerBy(oracle(picture), null)];
    const hash = answerBy(oracle(picture, ["blurhash"]), null, ["blurhash"]);
    lookups[0]!.reportHead(head);
    expect(await less).toEqual({ partial: false, metadata: expect.objectContaining(head) });
    await lookups[0]!.end({ blurhash: "whole" });
    expect((await more).metadata).toBe(await all.done);
    expect((await hash).metadata).toBe(await all.done);
    expect(lookups).toHaveLength(1);
  });

  test("a request for all fields does not join a lookup for some, whose result does not replace its own", async () => {
    const { oracle, lookups } = startCache();
    const less = oracle(picture, needed);
    const all = oracle(picture);
    expect([all.cached, oracle(picture, needed).cached, lookups.length]).toEqual(["miss", "collapsed", 2]);
    await lookups[1]!.end({ blurhash: "whole" });
    await lookups[0]!.endAtHead(head);
    expect(await less.done).toMatchObject(head);
    expect(oracle(picture).known?.blurhash).toBe("whole");
  });

  test("a target once looked up for all fields is refreshed for all fields", async () => {
    const { oracle, lookups, clock } = startCache();
    oracle(picture);
    await lookups[0]!.end({ bytes: 7 });
    clock.ms += 2 * hourMs;
    oracle(picture, needed);
    expect([lookups[1]!.fields, lookups[1]!.previous?.metadata.bytes]).toEqual([null, 7]);
  });

  test("a 304 to a lookup for some fields renews exactly these fields", async () => {
    const { oracle, lookups, clock } = startCache();
    oracle(picture, needed);
    await lookups[0]!.endAtHead(head, "max-age=600");
    clock.ms += hourMs;
    oracle(picture, needed);
    expect(lookups[1]!.previous?.metadata).toMatchObject(head);
    await lookups[1]!.confirm("max-age=1200");
    expect(oracle(picture, ["type", "width"]).cached).toBe("hit");
    expect(oracle(picture).cached).toBe("miss");
  });

  test("after a failed lookup for all fields, requests for the cached fields are hits and the others fail", async () => {
    const { oracle, lookups } = startCache();
    oracle(picture, needed);
    await lookups[0]!.endAtHead(head);
    const all = oracle(picture);
    expect(await answerBy(all, 1)).toMatchObject({ partial: true, metadata: head });
    await lookups[1]!.fail(status(500));
    await expect(all.done).rejects.toMatchObject({ upstreamStatus: 500 });
    expect(oracle(picture, needed)).toMatchObject({ cached: "hit", known: head });
    await expect(oracle(picture).done).rejects.toMatchObject({ upstreamStatus: 500 });
    expect(lookups).toHaveLength(2);
  });
});
