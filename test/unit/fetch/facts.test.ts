import { expect, test } from "vitest";
import { countedIn, declaredBy } from "../../../src/fetch/facts.ts";
import { createFakeSource } from "../../support/fake-source.ts";

const bytes = Uint8Array.of(1, 2, 3);

test.each([
  [
    { declaredBytes: 9, declaredType: "image/png" },
    { bytes: 9, bytesSource: "declared", type: "image/png" },
  ],
  [{ declaredBytes: 0 }, { bytes: 0, bytesSource: "declared" }],
  [{ declaredBytes: null }, { bytes: null, bytesSource: null }],
])("the declared metadata of a source with %j is %j", (options, metadata) => {
  expect(declaredBy(createFakeSource(bytes, options))).toEqual({ ...metadata, filename: null });
});

test("a body that was read to its end has a counted size and a hash", () => {
  const sha256 = "0".repeat(64);
  const counted = { bytes: 3, bytesSource: "counted", sha256 };
  expect(countedIn({ bytes, sha256, warning: null })).toEqual({ ...counted, warnings: [] });
});

test("a body that was not read to its end has only its warning", () => {
  expect(countedIn({ bytes, sha256: null, warning: "body_timeout" })).toEqual({ warnings: ["body_timeout"] });
  expect(countedIn({ bytes, sha256: null, warning: null })).toEqual({ warnings: [] });
});
