import { expect, test } from "vitest";
import { cached } from "../../../src/cache/cached.ts";
import { type Oracle, answerBy, startDescription } from "../../../src/domain/description.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import type { Metadata } from "../../../src/domain/metadata.ts";
import { targetOf } from "../../support/targets.ts";

const picture = targetOf("https://example.com/a.png");
const maxBytes = 1024 ** 2;

interface Lookup {
  learn(part: Partial<Metadata>): void;
  end(part?: Partial<Metadata>): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** An oracle whose lookups end when the test says so, and a clock that the test moves. */
function startCache(options: { maxBytes?: number } = {}) {
  const lookups: Lookup[] = [];
  const clock = { ms: 1_000_000 };
  const pipeline: Oracle = () =>
    startDescription(
      (progress) =>
        new Promise((resolve, reject) => {
          lookups.push({
            learn: (part) => void progress.learn(part),
            end: async (part = {}) => {
              resolve(progress.learn(part));
              await settled();
            },
            fail: async (error) => {
              reject(error);
              await settled();
            },
          });
        }),
    );
  const oracle = cached(pipeline, { maxBytes: options.maxBytes ?? maxBytes, now: () => clock.ms });
  return { oracle, lookups, clock };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

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

test("a success is a hit for an hour and looked up again afterwards", async () => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.end();
  clock.ms += 3_599_999;
  expect(oracle(picture).cached).toBe("hit");
  clock.ms += 1;
  expect(oracle(picture).cached).toBe("miss");
});

test.each([
  ["source_unreachable", 60_000],
  ["source_status", 60_000],
  ["source_redirects", 600_000],
  ["source_protocol", 60_000],
] as const)("the failure %s is remembered for %i ms", async (code, lifetimeMs) => {
  const { oracle, lookups, clock } = startCache();
  oracle(picture);
  await lookups[0]!.fail(new OracleError(code, "said by the test"));
  clock.ms += lifetimeMs - 1;
  await expect(oracle(picture).done).rejects.toMatchObject({ code });
  expect(lookups).toHaveLength(1);
  clock.ms += 1;
  expect(oracle(picture).cached).toBe("miss");
});

test.each(["overloaded", "internal"] as const)("%s is not remembered: it is not the URL's fault", async (code) => {
  const { oracle, lookups } = startCache();
  oracle(picture);
  await lookups[0]!.fail(new OracleError(code, "said by the test"));
  expect(oracle(picture).cached).toBe("miss");
});

test.each(["body_truncated", "body_timeout", "decode_timeout"] as const)(
  "a description with %s is remembered for a minute only",
  async (warning) => {
    const { oracle, lookups, clock } = startCache();
    oracle(picture);
    await lookups[0]!.end({ warnings: [warning] });
    clock.ms += 59_999;
    expect(oracle(picture).cached).toBe("hit");
    clock.ms += 1;
    expect(oracle(picture).cached).toBe("miss");
  },
);

test("a flood of failures does not push a success out", async () => {
  const { oracle, lookups } = startCache({ maxBytes: 64 * 1024 });
  oracle(picture);
  await lookups[0]!.end({ bytes: 7 });
  for (let index = 1; index <= 500; index += 1) {
    oracle(targetOf(`https://example.com/${index}`));
    await lookups[index]!.fail(new OracleError("source_status", "404", { upstreamStatus: 404 }));
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
  expect(first.kept).toEqual({ since: clock.ms, until: clock.ms + 3_600_000 });
  expect(second.kept).toEqual(first.kept);
});

test("what would be answered from memory can be asked without beginning a lookup", async () => {
  const { oracle, lookups, clock } = startCache();
  expect(oracle.remembered(picture)).toBeNull();
  expect(lookups).toHaveLength(0);
  void oracle(picture);
  expect(oracle.remembered(picture)).toBeNull(); // under way is not remembered
  await lookups[0]!.end({ bytes: 7 });
  expect(oracle.remembered(picture)).toBe(oracle(picture));
  clock.ms += 2 * 3_600_000;
  expect(oracle.remembered(picture)).toBeNull();
  expect(lookups).toHaveLength(1);
});
