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
  /** What it was asked for. */
  readonly fields: Fields | undefined;
  /** What it was told of an earlier one. */
  readonly previous: Previous | undefined;
  tellHead(part: Partial<Metadata>): void;
  /** Ends it with what its head told. */
  leave(part: Partial<Metadata>, cacheControl?: string): Promise<void>;
  learn(part: Partial<Metadata>): void;
  /** @param cacheControl what the origin says of it */
  end(part?: Partial<Metadata>, cacheControl?: string): Promise<void>;
  /** Ends it with a 304. */
  confirm(cacheControl?: string): Promise<void>;
  fail(error: OracleError): Promise<void>;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** An oracle whose lookups end when the test says so, and a clock that the test moves. */
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
            tellHead(part) {
              progress.learn(part);
              progress.headRead();
            },
            async leave(part, cacheControl) {
              progress.heard(termsWith({ cacheControl }));
              progress.leaveAt(fields ?? null);
              resolve(progress.learn(part));
              await settled();
            },
            learn: (part) => void progress.learn(part),
            async end(part = {}, cacheControl) {
              progress.heard(termsWith({ cacheControl }));
              resolve(progress.learn(part));
              await settled();
            },
            async confirm(cacheControl) {
              progress.heard(termsWith({ cacheControl }));
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

const status = (upstreamStatus: number) => new OracleError("source_status", "said by the test", { upstreamStatus });
const timeout = () => new OracleError("source_unreachable", "said by the test", { reason: "timeout" });

test("a thousand callers at once make one lookup", async () => {
  const { oracle, lookups } = startCache();
  const descriptions = Array.from({ length: 1000 }, () => oracle(picture));
  await lookups[0]!.end({ bytes: 7 });
  const answers = await Promise.all(descriptions.map(({ done }) => done));
  expect(lookups).toHaveLength(1);
  expect(new Set(answers)).toEqual(new Set([expect.objectContaining({ bytes: 7 })]));
  expect(descriptions.map(({ cached }) => cached)).toEqual(["miss", ...Array.from({ length: 999 }, () => "collapsed")]);
});

test("each caller's deadline is their own, and nobody who leaves cuts the others short", async () => {
  const { oracle, lookups } = startCache();
  const hasty = answerBy(oracle(picture), 1);
  const patient = answerBy(oracle(picture), null);
  lookups[0]!.learn({ type: "image/png" });
  expect(await hasty).toMatchObject({ partial: true, metadata: { type: "image/png", bytes: null } });
  await lookups[0]!.end({ bytes: 7 });
  expect(await patient).toMatchObject({ partial: false, metadata: { type: "image/png", bytes: 7 } });
});

test("a lookup that outlived every caller is a hit afterwards", async () => {
  const { oracle, lookups } = startCache();
  await expect(answerBy(oracle(picture), 1)).rejects.toMatchObject({ code: "deadline_exceeded" });
  await lookups[0]!.end({ bytes: 7 });
  const again = oracle(picture);
  expect(again.cached).toBe("hit");
  expect(await again.done).toMatchObject({ bytes: 7 });
});

test("a hit is the same object each time, so that its reply is made once", async () => {
  const { oracle, lookups } = startCache();
  const first = oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  expect(oracle(picture)).toBe(oracle(picture));
  expect(oracle(picture).known).toBe(await first.done);
});

test("a failure is a hit too, with what is told of it", async () => {
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

test.each(["overloaded", "internal"] as const)("%s is not remembered: it is not the URL's fault", async (code) => {
  const { oracle, lookups } = startCache();
  const first = oracle(picture);
  await lookups[0]!.fail(new OracleError(code, "said by the test"));
  await expect(first.done).rejects.toMatchObject({ code });
  expect(first.kept).toBeNull();
  expect(oracle(picture).cached).toBe("miss");
});

test("a flood of failures does not push a success out", async () => {
  const { oracle, lookups } = startCache({ maxBytes: 64 * 1024 });
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  for (let index = 1; index <= 500; index += 1) {
    oracle(targetOf(`https://example.com/${index}`));
    await lookups[index]!.fail(status(404));
  }
  expect(oracle(picture).cached).toBe("hit");
});

test("the memory is bounded: the least recently asked go first", async () => {
  const { oracle, lookups } = startCache({ maxBytes: 64 * 1024 });
  for (let index = 0; index < 200; index += 1) {
    oracle(targetOf(`https://example.com/${index}`));
    await lookups[index]!.end();
  }
  expect(oracle(targetOf("https://example.com/0")).cached).toBe("miss");
  expect(oracle(targetOf("https://example.com/199")).cached).toBe("hit");
});

test("whoever waited for a miss can tell until when it is kept", async () => {
  const { oracle, lookups, clock } = startCache();
  const first = oracle(picture);
  const second = oracle(picture);
  expect(first.kept).toBeNull();
  await lookups[0]!.end();
  expect(first.kept).toEqual({ since: clock.ms, until: clock.ms + hourMs });
  expect(second.kept).toEqual(first.kept);
});

test("what would be answered from memory can be asked without beginning a lookup", async () => {
  const { oracle, lookups, clock } = startCache();
  expect(oracle.isRemembered(picture)).toBe(false);
  void oracle(picture);
  expect(oracle.isRemembered(picture)).toBe(false); // under way is not remembered
  await lookups[0]!.end({ bytes: 7 });
  expect(oracle.isRemembered(picture)).toBe(true);
  clock.ms += hourMs + 10 * minuteMs - 1;
  expect(oracle.isRemembered(picture)).toBe(true); // stale, and answered at once all the same
  clock.ms += 1;
  expect(oracle.isRemembered(picture)).toBe(false);
  expect(lookups).toHaveLength(1);
});

test.each(["address", "timeout", "reset", "name"] as const)(
  "an unreachable target (%s) is never said to be remembered: for how long it is would tell why",
  async (reason) => {
    const { oracle, lookups } = startCache();
    oracle(picture);
    await lookups[0]!.fail(new OracleError("source_unreachable", "said by the test", { reason }));
    expect(oracle(picture).cached).toBe("hit");
    expect(oracle.isRemembered(picture)).toBe(false);
  },
);

test("what has just become stale is answered at once, while the origin is asked once in the background", async () => {
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

test("past that the caller waits, and shares the lookup that is under way in the background", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 }, "max-age=600");
  clock.ms += 600_000;
  oracle(picture); // begins the refresh
  clock.ms += 60_000;
  const late = oracle(picture);
  expect(late.cached).toBe("collapsed");
  await lookups[1]!.end({ bytes: 8 });
  expect(await late.done).toMatchObject({ bytes: 8 });
  expect(lookups).toHaveLength(2);
});

test("a failed refresh is not tried again before its time, and the stale answer is given meanwhile", async () => {
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
  const waiting = oracle(picture); // no longer within what is served while it is asked
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
  ["a time-out", timeout],
  ["a reset", () => new OracleError("source_unreachable", "said by the test", { reason: "reset" })],
  ["a refused address", () => new OracleError("source_unreachable", "said by the test", { reason: "address" })],
  ["an overload of ours", () => new OracleError("overloaded", "said by the test")],
])("on %s a success of the last day is answered", async (_name, error) => {
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

test("an older one is not", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  clock.ms += hourMs + dayMs;
  const answer = oracle(picture);
  await lookups[1]!.fail(status(500));
  await expect(answer.done).rejects.toMatchObject({ upstreamStatus: 500 });
});

test.each(["body_truncated", "body_timeout", "decode_timeout"] as const)(
  "a description with %s does not take the place of a whole one, and is answered where there is none",
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

test.each([404, 410, 451])("a %i drops the success", async (gone) => {
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

test("a bug of ours is not hidden behind a stale answer", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  clock.ms += 2 * hourMs;
  const answer = oracle(picture);
  await lookups[1]!.fail(new OracleError("internal", "said by the test"));
  await expect(answer.done).rejects.toMatchObject({ code: "internal" });
});

test("a time-out after the other is asked again later and later", async () => {
  const { oracle, lookups, clock } = startCache();
  for (const minutes of [2, 4, 8, 10, 10]) {
    oracle(picture);
    await lookups.at(-1)!.fail(timeout());
    clock.ms += minutes * minuteMs - 1;
    expect(oracle(picture).cached).toBe("hit");
    clock.ms += 1;
  }
  oracle(picture);
  await lookups.at(-1)!.end({ bytes: 7 }); // and from the beginning again
  clock.ms += 3 * dayMs;
  oracle(picture);
  await lookups.at(-1)!.fail(timeout());
  clock.ms += 2 * minuteMs;
  expect(oracle(picture).cached).toBe("miss");
});

test("at the deadline a stale success is what is known, as long as the origin has said nothing", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  clock.ms += 2 * hourMs;
  expect(await answerBy(oracle(picture), 1)).toMatchObject({ partial: true, metadata: { bytes: 7 } });
  lookups[1]!.learn({ type: "image/png" });
  expect(await answerBy(oracle(picture), 1)).toMatchObject({ partial: true, metadata: { bytes: null } });
});

test("a 304 keeps the metadata, as the same object, and begins its time anew", async () => {
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

test("a 304 that says nothing of freshness renews what was said before", async () => {
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

test("what was forgotten is looked up again", async () => {
  const { oracle, lookups } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  await oracle.forget(picture);
  expect(oracle(picture).cached).toBe("miss");
  expect(lookups[1]!.previous).toBeUndefined();
});

test("a lookup that was under way when its target was forgotten is answered, but not remembered", async () => {
  const { oracle, lookups } = startCache();
  const before = oracle(picture);
  await oracle.forget(picture);
  const after = oracle(picture);
  expect([after.cached, lookups.length]).toEqual(["miss", 2]);
  await lookups[0]!.end({ bytes: 7 });
  expect((await before.done).bytes).toBe(7);
  expect(before.kept).toBeNull();
  expect(oracle(picture).cached).toBe("collapsed"); // with the second one, which the first did not end
  await lookups[1]!.end({ bytes: 8 });
  expect((await after.done).bytes).toBe(8);
  expect(oracle(picture).known?.bytes).toBe(8);
});

test("nor does a refresh under way bring back what was forgotten, or answer it", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  clock.ms += 2 * hourMs;
  const waiting = oracle(picture);
  await oracle.forget(picture);
  await lookups[1]!.fail(status(500));
  await expect(waiting.done).rejects.toMatchObject({ upstreamStatus: 500 });
  expect(oracle(picture).cached).toBe("miss");
});

describe("questions for less", () => {
  const needed = ["type", "bytes", "width"] as const;
  const head = { type: "image/png", bytes: 7, bytesSource: "declared", width: 3, height: 2 } as const;

  test("are answered by what was looked up for them, until a question for all completes that", async () => {
    const { oracle, lookups } = startCache();
    const first = oracle(picture, needed);
    expect(lookups[0]!.fields).toEqual(needed);
    await lookups[0]!.leave(head);
    expect(await first.done).toMatchObject(head);
    expect(oracle(picture, ["width", "height"]).cached).toBe("hit");
    expect(oracle.isRemembered(picture, ["height"])).toBe(true);
    expect(oracle.isRemembered(picture)).toBe(false);
    const all = oracle(picture);
    expect([all.cached, lookups[1]!.fields, lookups[1]!.previous]).toEqual(["miss", null, undefined]);
    await lookups[1]!.end({ ...head, bytes: 8, blurhash: "whole" });
    expect(oracle(picture)).toMatchObject({ cached: "hit", known: { blurhash: "whole" } });
    expect(oracle(picture, needed)).toMatchObject({ cached: "hit", known: { bytes: 8 } });
    expect(lookups).toHaveLength(2);
  });

  test("are not asked again for what they could not learn", async () => {
    const { oracle, lookups } = startCache();
    oracle(picture, needed);
    await lookups[0]!.leave({ type: "audio/mpeg", bytes: 7 });
    expect(oracle(picture, ["width"]).cached).toBe("hit");
    expect(oracle(picture, ["height"]).cached).toBe("miss");
  });

  test("share a lookup for all, and are answered as soon as its head has told what they need", async () => {
    const { oracle, lookups } = startCache();
    const all = oracle(picture);
    const [less, more] = [answerBy(oracle(picture, needed), null, needed), answerBy(oracle(picture), null)];
    const hash = answerBy(oracle(picture, ["blurhash"]), null, ["blurhash"]);
    lookups[0]!.tellHead(head);
    expect(await less).toEqual({ partial: false, metadata: expect.objectContaining(head) });
    await lookups[0]!.end({ blurhash: "whole" });
    expect((await more).metadata).toBe(await all.done);
    expect((await hash).metadata).toBe(await all.done);
    expect(lookups).toHaveLength(1);
  });

  test("do not answer one for all that comes while they are looked up, nor take the place of its answer", async () => {
    const { oracle, lookups } = startCache();
    const less = oracle(picture, needed);
    const all = oracle(picture);
    expect([all.cached, oracle(picture, needed).cached, lookups.length]).toEqual(["miss", "collapsed", 2]);
    await lookups[1]!.end({ blurhash: "whole" });
    await lookups[0]!.leave(head);
    expect(await less.done).toMatchObject(head);
    expect(oracle(picture).known?.blurhash).toBe("whole");
  });

  test("are answered by what was looked up whole, and that is looked up whole again when its time is over", async () => {
    const { oracle, lookups, clock } = startCache();
    oracle(picture);
    await lookups[0]!.end({ bytes: 7 });
    clock.ms += 2 * hourMs;
    oracle(picture, needed);
    expect([lookups[1]!.fields, lookups[1]!.previous?.metadata.bytes]).toEqual([null, 7]);
  });

  test("are revalidated for what they were asked, and no less is remembered by that", async () => {
    const { oracle, lookups, clock } = startCache();
    oracle(picture, needed);
    await lookups[0]!.leave(head, "max-age=600");
    clock.ms += hourMs;
    oracle(picture, needed);
    expect(lookups[1]!.previous?.metadata).toMatchObject(head);
    await lookups[1]!.confirm("max-age=1200");
    expect(oracle(picture, ["type", "width"]).cached).toBe("hit");
    expect(oracle(picture).cached).toBe("miss");
  });

  test("are still answered where one for all failed; that one is told so", async () => {
    const { oracle, lookups } = startCache();
    oracle(picture, needed);
    await lookups[0]!.leave(head);
    const all = oracle(picture);
    expect(await answerBy(all, 1)).toMatchObject({ partial: true, metadata: head });
    await lookups[1]!.fail(status(500));
    await expect(all.done).rejects.toMatchObject({ upstreamStatus: 500 });
    expect(oracle(picture, needed)).toMatchObject({ cached: "hit", known: head });
    await expect(oracle(picture).done).rejects.toMatchObject({ upstreamStatus: 500 });
    expect(lookups).toHaveLength(2);
  });
});
