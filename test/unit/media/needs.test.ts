import { describe, expect, test } from "vitest";
import type { Fields } from "../../../src/domain/fields.ts";
import { type Metadata, unknownMetadata } from "../../../src/domain/metadata.ts";
import type { FormatName } from "../../../src/media/formats/index.ts";
import {
  decodeQueueOf,
  type Extent,
  extentOf,
  factFields,
  hasAllFacts,
  isMedia,
  isMissing,
  previewFields,
} from "../../../src/media/needs.ts";
import { formatNamed } from "../../support/decoder.ts";
import { pictureMetadata } from "../../support/entries.ts";

const none = unknownMetadata;
const declared = { ...pictureMetadata, bytesSource: "declared", sha256: null } as const;
const wholeBytes = 1000;

interface Body {
  readonly format?: FormatName | null;
  readonly known?: Metadata;
  readonly declaredBytes?: number | null;
  readonly isTooLarge?: boolean;
}

const extent = (fields: Fields, { format = "png", known = none, declaredBytes = 900, isTooLarge = false }: Body = {}) =>
  extentOf({ declaredBytes, isTooLarge }, format && formatNamed(format), known, fields, wholeBytes);

describe("how far a body is read", () => {
  test.each<[string, Fields, Body, Extent]>([
    ["a picture of the largest small size", null, { declaredBytes: wholeBytes }, "whole"],
    ["a picture of one byte more", null, { declaredBytes: wholeBytes + 1 }, "planned"],
    ["a picture without a declared size", null, { declaredBytes: null }, "whole"],
    ["a picture that is too large", null, { isTooLarge: true }, "planned"],
    ["a picture whose hash of the bytes is requested", ["sha256"], { declaredBytes: 9e6 }, "whole"],
    ["a picture whose counted size is requested", ["bytesSource"], { declaredBytes: 9e6 }, "whole"],
    ["a picture without a declared size, which is requested", ["bytes"], { declaredBytes: null }, "whole"],
    ["a picture whose declared size is requested", ["bytes"], { known: declared }, "head"],
    ["a picture whose counted size is requested, while one is declared", ["bytesSource"], { known: declared }, "whole"],
    ["a picture whose preview is requested", ["blurhash"], {}, "planned"],
    ["a picture of which all requested fields are known", ["width", "blurhash"], { known: declared }, "head"],
    ["a picture of which one requested field is unknown", ["width", "sha256"], { known: declared }, "whole"],
    ["a picture of which no fields are requested", [], {}, "head"],
    ["a picture that is too large and whose hash is requested", ["sha256"], { isTooLarge: true }, "planned"],
    ["a picture that is not decoded, too large", null, { format: "psd", isTooLarge: true }, "head"],
    ["a picture that is not decoded", null, { format: "psd" }, "whole"],
    ["an archive", null, { format: "zip" }, "head"],
    ["bytes without a signature", null, { format: null }, "head"],
    ["bytes that are declared as a sound", null, { format: null, known: { ...none, type: "audio/mpeg" } }, "whole"],
    ["bytes declared as a sound, too large", null, { format: null, known: { ...none, type: "audio/mpeg" }, isTooLarge: true }, "head"],
  ])("%s is read as far as it must be", (_, fields, body, expected) => {
    expect(extent(fields, body)).toBe(expected);
  }); // prettier-ignore
});

test.each<[FormatName | null, string, boolean]>([
  ["png", "text/plain", true],
  ["mp4", "text/plain", true],
  ["flac", "text/plain", true],
  ["pdf", "text/plain", true],
  ["zip", "image/png", false],
  [null, "image/png", true],
  [null, "video/mp4", true],
  [null, "audio/mpeg", true],
  [null, "application/pdf", false],
  [null, "text/image/png", false],
])("the format %s of the type %s may have more metadata: %s", (name, type, expected) => {
  expect(isMedia(name && formatNamed(name), type)).toBe(expected);
});

test("a picture has all facts with its sides and whether it moves, a sound with its duration, a film never", () => {
  const picture = { ...none, width: 4, height: 3, animated: false };
  expect(hasAllFacts(formatNamed("png"), picture)).toBe(true);
  for (const field of ["width", "height", "animated"] as const) {
    expect(hasAllFacts(formatNamed("png"), { ...picture, [field]: null })).toBe(false);
  }
  expect(hasAllFacts(formatNamed("flac"), { ...none, durationMs: 0 })).toBe(true);
  expect(hasAllFacts(formatNamed("flac"), picture)).toBe(false);
  expect(hasAllFacts(formatNamed("mp4"), pictureMetadata)).toBe(false);
});

test("a field is missing if it is requested and unknown", () => {
  expect(isMissing(factFields, none, null)).toBe(true);
  expect(isMissing(factFields, none, ["height", "type"])).toBe(true);
  expect(isMissing(factFields, none, ["blurhash"])).toBe(false);
  expect(isMissing(previewFields, pictureMetadata, null)).toBe(false);
  expect(isMissing(previewFields, { ...pictureMetadata, thumbnail: null }, null)).toBe(true);
  expect(isMissing(previewFields, { ...pictureMetadata, thumbnail: null }, ["blurhash"])).toBe(false);
});

test.each([
  ["png", "regular"],
  ["mp4", "regular"],
  ["pdf", "unpredictable"],
  ["svg", "unpredictable"],
  ["psd", null],
  ["zip", null],
  [null, null],
] as const)("a body of the format %s goes to the decode queue %s", (name, expected) => {
  expect(decodeQueueOf(name && formatNamed(name))).toBe(expected);
});
