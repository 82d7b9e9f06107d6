import { expect, test } from "vitest";
import { hasPlainHevc } from "../../../../src/media/formats/heif.ts";
import { box, fileType } from "../../../support/heads.ts";

const full = Buffer.alloc(4);
const settings = (...samples: readonly [number, number, number]) => box("hvcC", Buffer.alloc(16), Buffer.from(samples));
const file = (...properties: readonly Buffer[]) =>
  Buffer.concat([
    fileType("heic"),
    box("meta", full, box("pitm", full, "\0\x01"), box("iprp", box("ipco", ...properties))),
  ]);
const plain = settings(0xfd, 0xf8, 0xf8);

test.each([
  ["a quarter of the colours, 8 bits", [plain], true],
  ["grey, 8 bits", [settings(0xfc, 0xf8, 0xf8)], true],
  ["all colours", [settings(0xff, 0xf8, 0xf8)], false],
  ["10 bits", [settings(0xfd, 0xfa, 0xfa)], false],
  ["10 bits in the colours alone, in one of several pictures", [plain, settings(0xfd, 0xf8, 0xfa)], false],
  ["settings that are cut off", [box("hvcC", Buffer.alloc(4))], true],
] as const)("HEVC settings decide the memory estimate of a HEIF: %s", (_, properties, isPlain) => {
  expect(hasPlainHevc(file(...properties))).toBe(isPlain);
});

test("a file without HEVC settings has the plain memory estimate", () => {
  expect([file(), Buffer.alloc(0), Buffer.from("no HEIF")].map(hasPlainHevc)).toEqual([true, true, true]);
});
