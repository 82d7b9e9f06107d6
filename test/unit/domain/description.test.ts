import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { answerBy, type Progress, startDescription, withCacheResult } from "../../../src/domain/description.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import { type Metadata, unknownMetadata } from "../../../src/domain/metadata.ts";
import { noCacheHeaders } from "../../../src/domain/terms.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Starts a lookup that the test moves on. */
function start() {
  let progress!: Progress;
  let finish!: (metadata: Metadata) => void;
  let fail!: (error: Error) => void;
  const description = startDescription((own) => {
    progress = own;
    return new Promise((resolve, reject) => {
      finish = resolve;
      fail = reject;
    });
  });
  return { description, progress, finish, fail };
}

/** Whether the promise is settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = () => void (settled = true);
  promise.then(settle, settle);
  await vi.advanceTimersByTimeAsync(0);
  return settled;
}

test("new facts are merged into the known metadata, and warnings are appended", () => {
  const { description, progress } = start();
  expect(description.known).toBeNull();
  progress.learn({ type: "image/png", warnings: ["body_truncated"] });
  progress.learn({ width: 8 });
  const learned = progress.learn({ height: 4, warnings: ["decode_timeout"] });
  expect(learned).toEqual({
    ...unknownMetadata,
    type: "image/png",
    width: 8,
    height: 4,
    warnings: ["body_truncated", "decode_timeout"],
  });
  expect(description.known).toEqual(learned);
});

test("a provisional value is shown only while the field is unknown, and only after the origin has responded", () => {
  const { description, progress } = start();
  progress.suggest({ durationMs: 1000, width: 1 });
  expect(description.known).toBeNull();
  progress.learn({ width: 8 });
  progress.suggest({ blurhash: "L" });
  expect(description.known).toMatchObject({ width: 8, durationMs: 1000, blurhash: "L" });
  progress.learn({ durationMs: 2000 });
  expect(description.known).toMatchObject({ durationMs: 2000, blurhash: "L" });
});

test("the times of a stage are added up, and each run of it is listed with its start", () => {
  const { description, progress } = start();
  const startedAt = performance.now();
  progress.addTime("queue", 5);
  progress.addTime("fetch", 10);
  progress.addTime("decode", 20);
  progress.addTime("fetch", 40);
  expect(description.timings).toEqual({ queue: 5, fetch: 50, decode: 20 });
  expect(description.stages).toEqual([
    { stage: "queue", startedAt, milliseconds: 5 },
    { stage: "fetch", startedAt: startedAt + 5, milliseconds: 10 },
    { stage: "decode", startedAt: startedAt + 15, milliseconds: 20 },
    { stage: "fetch", startedAt: startedAt + 35, milliseconds: 40 },
  ]);
});

test("a timed stage has the duration of its work, also if the work fails", async () => {
  const { description, progress } = start();
  const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const work = progress.timed("fetch", wait(30));
  await vi.advanceTimersByTimeAsync(30);
  await work;
  const failing = expect(
    progress.timed(
      "decode",
      wait(20).then(() => Promise.reject(new Error("failed"))),
    ),
  ).rejects.toThrow("failed");
  await vi.advanceTimersByTimeAsync(20);
  await failing;
  expect(description.timings).toEqual({ fetch: 30, decode: 20 });
});

test("an error that is none of the documented failures becomes the failure internal, with its cause", async () => {
  const [unexpected, expected] = [start(), start()];
  const cause = new Error("a bug");
  unexpected.fail(cause);
  await expect(unexpected.description.done).rejects.toMatchObject({ code: "internal", cause });
  const failure = new OracleError("source_status", "404");
  expected.fail(failure);
  await expect(expected.description.done).rejects.toBe(failure);
});

test("a lookup that fails without a caller is no unhandled rejection", async () => {
  const rejections: unknown[] = [];
  const onRejection = (error: unknown) => void rejections.push(error);
  process.on("unhandledRejection", onRejection);
  onTestFinished(() => void process.off("unhandledRejection", onRejection));
  start().fail(new OracleError("source_status", "404"));
  vi.useRealTimers();
  await new Promise((resolve) => setImmediate(resolve));
  expect(rejections).toEqual([]);
});

test("a lookup starts as a miss for all fields, and a 304 makes it a revalidated one", () => {
  const { description, progress } = start();
  expect(description).toMatchObject({
    cached: "miss",
    fields: null,
    terms: null,
    decodeTimeoutCause: null,
    kept: null,
  });
  const earlier = { ...unknownMetadata, bytes: 7 };
  expect(progress.confirm(earlier)).toBe(earlier);
  expect(description).toMatchObject({ cached: "revalidated", known: { bytes: 7 } });
});

test("a description has the fields, the headers and the cause that its lookup has recorded", () => {
  const { description, progress } = start();
  const headers = { ...noCacheHeaders, cacheControl: "max-age=60" };
  progress.limitTo(["width"]);
  progress.setCacheHeaders(headers);
  progress.setDecodeTimeoutCause("lane_full");
  const shown = withCacheResult(description, (own) => (own === "miss" ? "collapsed" : own));
  for (const each of [description, shown]) {
    expect(each).toMatchObject({ fields: ["width"], terms: headers, decodeTimeoutCause: "lane_full", kept: null });
  }
  expect([description.cached, shown.cached]).toEqual(["miss", "collapsed"]);
});

test("a description with another cache result follows the lookup", async () => {
  const { description, progress, finish } = start();
  const shown = withCacheResult(description, () => "stale");
  const known = progress.learn({ width: 3 });
  progress.reportHead();
  progress.addTime("fetch", 5);
  finish(known);
  expect([shown.known, shown.timings, shown.stages.length]).toEqual([known, { fetch: 5 }, 1]);
  expect(await shown.done).toBe(known);
  expect(await shown.until(["width"])).toBe(known);
});

test("requested fields are awaited until the head is read and each of them is known", async () => {
  const { description, progress } = start();
  const answer = description.until(["type", "width"]);
  progress.learn({ width: 8, type: "image/png" });
  expect(await isSettled(answer)).toBe(false);
  progress.reportHead();
  expect(await answer).toMatchObject({ width: 8 });
  const height = description.until(["height"]);
  expect(await isSettled(height)).toBe(false);
  progress.learn({ height: 4 });
  expect(await height).toMatchObject({ width: 8, height: 4 });
  expect(await description.until(["height"])).toMatchObject({ height: 4 });
});

test("requested fields that stay unknown are awaited until the end of the lookup", async () => {
  const { description, progress, finish } = start();
  const answer = description.until(["blurhash"]);
  const known = progress.learn({ type: "text/plain" });
  progress.reportHead();
  expect(await isSettled(answer)).toBe(false);
  finish(known);
  expect(await answer).toBe(known);
});

test("an answer has the final metadata if the lookup ends before the deadline, and leaves no timer", async () => {
  const { description, progress, finish } = start();
  const [limited, unlimited] = [answerBy(description, 1000), answerBy(description, null)];
  await vi.advanceTimersByTimeAsync(999);
  const known = progress.learn({ bytes: 5 });
  finish(known);
  expect([await limited, await unlimited]).toEqual([
    { metadata: known, partial: false },
    { metadata: known, partial: false },
  ]);
  expect(vi.getTimerCount()).toBe(0);
});

test("an answer at its deadline is partial, and the lookup goes on", async () => {
  const { description, progress, finish } = start();
  progress.learn({ bytes: 5 });
  progress.suggest({ durationMs: 9 });
  const answer = answerBy(description, 1000);
  await vi.advanceTimersByTimeAsync(999);
  expect(await isSettled(answer)).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(await answer).toMatchObject({ metadata: { bytes: 5, durationMs: 9 }, partial: true });
  finish(progress.learn({ width: 1 }));
  expect(await answerBy(description, 0)).toMatchObject({ metadata: { width: 1 }, partial: false });
});

test("an answer without anything known at its deadline is the failure deadline_exceeded", async () => {
  const { description } = start();
  const answer = expect(answerBy(description, 1000)).rejects.toMatchObject({ code: "deadline_exceeded" });
  await vi.advanceTimersByTimeAsync(1000);
  await answer;
});

test("an answer is there as soon as its fields are known, with or without a deadline", async () => {
  const { description, progress } = start();
  const answers = [answerBy(description, 1000, ["width"]), answerBy(description, null, ["width"])];
  progress.reportHead();
  progress.learn({ width: 8 });
  for (const answer of answers) expect(await answer).toMatchObject({ metadata: { width: 8 }, partial: false });
  expect(vi.getTimerCount()).toBe(0);
});

test("a lookup that fails before the deadline fails its answer, and leaves no timer", async () => {
  const { description, fail } = start();
  const answer = expect(answerBy(description, 1000)).rejects.toMatchObject({ code: "source_status" });
  fail(new OracleError("source_status", "404"));
  await answer;
  expect(vi.getTimerCount()).toBe(0);
});
