import { expect, test } from "vitest";
import { includes, isCompleteFor, missingIn } from "../../../src/domain/fields.ts";
import { unknownMetadata } from "../../../src/domain/metadata.ts";

const head = { ...unknownMetadata, bytes: 5, bytesSource: "declared" as const };

test("type, file name and warnings are known with the head, and other fields once they are not null", () => {
  const fields = ["type", "filename", "warnings", "bytes", "width", "blurhash"] as const;
  expect(missingIn(head, fields)).toEqual(["width", "blurhash"]);
  expect(missingIn({ ...head, width: 0, blurhash: "" }, fields)).toEqual([]);
  expect(missingIn({ ...head, animated: false }, ["animated"])).toEqual([]);
});

test("the source of a declared size is unknown until the body has been counted", () => {
  expect(missingIn(head, ["bytes", "bytesSource"])).toEqual(["bytesSource"]);
  expect(missingIn({ ...head, bytesSource: "counted" }, ["bytes", "bytesSource"])).toEqual([]);
});

test("metadata is complete for the fields that are known, and never for all fields", () => {
  expect(isCompleteFor(head, ["type", "bytes"])).toBe(true);
  expect(isCompleteFor(head, [])).toBe(true);
  expect(isCompleteFor(head, ["type", "width"])).toBe(false);
  expect(isCompleteFor(head, null)).toBe(false);
});

test("a lookup serves a request for some of its fields; one for all fields serves each request", () => {
  expect(includes(["type", "width"], ["width"])).toBe(true);
  expect(includes(["type", "width"], ["width", "height"])).toBe(false);
  expect(includes(["type", "width"], null)).toBe(false);
  expect(includes(null, ["width"])).toBe(true);
  expect(includes(null, null)).toBe(true);
});
