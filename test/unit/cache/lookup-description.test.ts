import { expect, test } from "vitest";
import { type LookupProgress, startCacheDescription } from "../../../src/cache/lookup-description.ts";
import { type Description, startDescription } from "../../../src/domain/description.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import { type Metadata, unknownMetadata } from "../../../src/domain/metadata.ts";
import { pictureMetadata, successAt } from "../../support/entries.ts";
import { termsWith } from "../../support/terms.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Starts a lookup whose steps the test makes. */
function start(before: Metadata | null = null) {
  let progress!: LookupProgress; // set by the next line
  let end!: (metadata: Metadata) => void;
  const description = startCacheDescription(
    (given) => {
      progress = given;
      return new Promise((resolve) => (end = resolve));
    },
    () => before,
  );
  return { description, progress, end };
}

/** A lookup at the origin that has all facts of a description, and goes on. */
function runningOrigin(): Description {
  return startDescription((progress) => {
    progress.learn({ type: "image/png" });
    progress.limitTo(["type"]);
    progress.addTime("fetch", 20);
    progress.setDecodeTimeoutCause("queue_full");
    progress.setCacheHeaders(termsWith({ age: "7" }));
    return new Promise(() => undefined);
  });
}

test("before the origin is asked, a description has no facts but the earlier metadata", () => {
  const { description } = start(pictureMetadata);
  expect(description).toMatchObject({
    known: pictureMetadata,
    fields: null,
    cached: "miss",
    timings: {},
    stages: [],
    decodeTimeoutCause: null,
    terms: null,
    kept: null,
  });
});

test("while the origin is asked, a description has the facts of that lookup", () => {
  const { description, progress } = start(pictureMetadata);
  progress.follow(runningOrigin());
  expect(description).toMatchObject({
    known: { type: "image/png", width: null },
    fields: ["type"],
    cached: "miss",
    timings: { fetch: 20 },
    stages: [{ stage: "fetch", milliseconds: 20 }],
    decodeTimeoutCause: "queue_full",
    terms: { age: "7" },
    kept: null,
  });
});

test("at its end a description has its answer, and a lifetime only if the answer is stored", () => {
  const part = successAt(1000);
  for (const isStored of [true, false]) {
    const { description, progress } = start();
    progress.follow(runningOrigin());
    expect(progress.answerWith("stale", part, isStored)).toBe(pictureMetadata);
    expect(description).toMatchObject({
      known: pictureMetadata,
      cached: "stale",
      kept: isStored ? { since: 1000, until: part.freshUntil } : null,
    });
  }
});

test("a caller that needs some fields is answered by the origin or by the end, the earlier of both", async () => {
  const one = start();
  one.progress.follow(
    startDescription((progress) => {
      progress.learn({ type: "image/png" });
      progress.reportHead();
      return new Promise(() => undefined);
    }),
  );
  expect(await one.description.until(["type"])).toMatchObject({ type: "image/png" });
  const other = start();
  const until = other.description.until(["type"]);
  other.end(pictureMetadata);
  expect(await until).toBe(pictureMetadata);
});

test("a caller that needs some fields gets the stale answer of a lookup that failed at the origin", async () => {
  const { description, progress, end } = start();
  progress.follow(startDescription(() => Promise.reject(new OracleError("source_status", "of the test"))));
  const until = description.until(["type"]);
  await settled();
  end(unknownMetadata);
  expect(await until).toBe(unknownMetadata);
});

test("a failed lookup that no caller waits for is no unhandled rejection", async ({ onTestFinished }) => {
  const unhandled: unknown[] = [];
  const record = (error: unknown) => unhandled.push(error);
  process.on("unhandledRejection", record);
  onTestFinished(() => void process.off("unhandledRejection", record));
  const error = new OracleError("overloaded", "of the test");
  const description = startCacheDescription(
    () => Promise.reject(error),
    () => null,
  );
  await settled();
  expect(unhandled).toEqual([]);
  await expect(description.done).rejects.toBe(error);
});
