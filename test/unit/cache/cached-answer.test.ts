import { expect, test } from "vitest";
import { describeCachedAnswer } from "../../../src/cache/cached-answer.ts";
import type { OracleError } from "../../../src/domain/errors.ts";
import { failureAt, pictureMetadata, successAt } from "../../support/entries.ts";

test("the description of a cached success has its metadata, its fields and its lifetime", async () => {
  const part = { ...successAt(1000), fields: ["type", "bytes"] as const };
  const description = describeCachedAnswer({ cached: "stale", part, isDue: true });
  expect(description).toMatchObject({
    known: pictureMetadata,
    fields: ["type", "bytes"],
    cached: "stale",
    kept: { since: 1000, until: part.freshUntil },
  });
  expect(await description.done).toBe(pictureMetadata);
  expect(await description.until(["type"])).toBe(pictureMetadata);
});

test("the description of a cached failure has its code, its status and its lifetime, and is complete for all fields", async () => {
  const part = failureAt(1000);
  const description = describeCachedAnswer({ cached: "hit", part, isDue: false });
  expect(description).toMatchObject({ known: null, fields: null, cached: "hit", kept: { since: 1000, until: 61_000 } });
  await expect(description.done).rejects.toMatchObject({
    code: "source_status",
    upstreamStatus: 503,
    reason: undefined,
  });
});

test("a cached incomplete description is answered as metadata", async () => {
  const part = { ...failureAt(1000), outcome: { metadata: pictureMetadata } };
  const description = describeCachedAnswer({ cached: "hit", part, isDue: false });
  expect([description.known, description.fields]).toEqual([pictureMetadata, null]);
  expect(await description.done).toBe(pictureMetadata);
});

test("a cached failure has no stack trace, which would keep its request in memory, and later errors have theirs", async () => {
  const error = await describeCachedAnswer({ cached: "hit", part: failureAt(1), isDue: false }).done.catch(
    (error: unknown) => error as OracleError,
  );
  expect((error as OracleError).stack).not.toContain("\n");
  expect(new Error("later").stack).toContain("\n");
});

test("an answer has one description, so that its response is serialized once", () => {
  const part = successAt(1000);
  const describeAs = (cached: "hit" | "stale") => describeCachedAnswer({ cached, part, isDue: false });
  expect(describeAs("hit")).toBe(describeAs("hit"));
  expect(describeAs("stale")).not.toBe(describeAs("hit"));
});
