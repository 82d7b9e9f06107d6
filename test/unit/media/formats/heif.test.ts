import { describe, expect, test } from "vitest";
import { hasPlainHevc } from "../../../../src/media/formats/heif-items.ts";
import { avif, heic } from "../../../../src/media/formats/heif.ts";
import { readSequenceSize } from "../../../../src/media/formats/heif-sequence.ts";
import { byteFiles } from "../../../support/byte-files.ts";
import { box, fileType, latin1 } from "../../../support/heads.ts";
import { heicWithThumbnail, heifOf, reference, storedSize } from "../../../support/plan-files.ts";
import { arrivalOf, follow, read } from "../../../support/read-plans.ts";

describe("a photo of 3 MB with a thumbnail behind it", () => {
  test("its size needs no more than the list of its items", () => {
    const file = heicWithThumbnail();
    expect(heic.plan.facts(arrivalOf(file, 12_000))).toEqual({
      known: { width: 3000, height: 4000, animated: false },
      measurable: null,
      need: null,
    });
  });

  test("the thumbnail is fetched by a range, and its excerpt holds nothing else", () => {
    const file = heicWithThumbnail();
    const { step, arrival } = follow(heic.plan.preview, file).at(-1)!;
    expect(arrival).toMatchObject({ readBytes: 12 * 1024 + 20_000, requests: 2 });
    const excerpt = Buffer.from(step.excerpt!.bytes);
    expect(excerpt.length).toBeLessThan(22_000);
    expect(excerpt.includes(Buffer.alloc(20_000, 4))).toBe(true);
    expect(excerpt.includes(Buffer.from([2, 2, 2, 2]))).toBe(false);
  });

  test("a list of items behind the data is fetched by a range", () => {
    const file = heicWithThumbnail({ isDataFirst: true });
    const facts = follow(heic.plan.facts, file).at(-1)!;
    expect(facts.step.known).toMatchObject({ width: 3000, height: 4000 });
    expect(facts.arrival).toMatchObject({ requests: 2 });
    expect(facts.arrival.readBytes).toBeLessThan(30_000);
    const preview = follow(heic.plan.preview, file).at(-1)!;
    expect(preview.arrival.readBytes).toBeLessThan(60_000);
    // All places of data in an excerpt are its own.
    const first = follow(heic.plan.preview, heicWithThumbnail()).at(-1)!;
    expect(Buffer.compare(preview.step.excerpt!.bytes, first.step.excerpt!.bytes)).toBe(0);
  });

  test("all tiles are read if the thumbnail is too small, and the data behind them is not", () => {
    const file = heicWithThumbnail({ side: 80 });
    const { step, arrival } = follow(heic.plan.preview, file).at(-1)!;
    expect(arrival.requests).toBe(1);
    expect(arrival.readBytes).toBeLessThan(3_002_000);
    expect(Buffer.from(step.excerpt!.bytes).includes(Buffer.alloc(20_000, 4))).toBe(false);
  });

  test("a server without ranges sends the prefix instead", () => {
    const file = heicWithThumbnail();
    const needed = heic.plan.preview(arrivalOf(file, 12_000)).need;
    expect(needed).toMatchObject({ from: expect.any(Number) as number });
    expect(heic.plan.preview(read(file, arrivalOf(file, 12_000), { prefix: 3_100_000 })).excerpt).not.toBeNull();
  });
});

const alpha = (type: string) => Buffer.concat([latin1("\0\0\0\x8cauxC\0\0\0\0"), Buffer.alloc(128)]).fill(`${type}\0`, 12, 12 + type.length + 1); // prettier-ignore

describe("the items that an AVIF is decoded from", () => {
  const item = (id: number, type: string, fill: number, ...properties: readonly number[]) =>
    ({ id, type, data: Buffer.alloc(1000, fill), properties }) as const;
  const properties = [
    storedSize(400, 300),
    alpha("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"),
    alpha("urn:com:photo:aux:hdrgainmap"),
  ];
  const file = (references: readonly Buffer[], ...more: readonly ReturnType<typeof item>[]) =>
    heifOf({
      brands: ["avif", "mif1"],
      primary: 1,
      properties,
      references,
      items: [item(1, "av01", 1, 1), ...more],
    });
  const dataOf = (bytes: Buffer) =>
    [1, 2, 3, 4].filter((fill) =>
      Buffer.from(follow(avif.plan.preview, bytes).at(-1)!.step.excerpt!.bytes).includes(Buffer.alloc(1000, fill)),
    );

  test("are the picture and its opacity, but no gain map and no thumbnail", () => {
    const references = [reference("auxl", 2, 1), reference("auxl", 3, 1), reference("thmb", 4, 1)];
    expect(dataOf(file(references, item(2, "av01", 2, 1, 2), item(3, "av01", 3, 1, 3), item(4, "av01", 4, 1)))).toEqual(
      [1, 2],
    );
  });

  test("are unknown if there are several pictures: the file is read whole", () => {
    const bytes = file([], item(2, "av01", 2, 1));
    expect(bytes.equals(avif.plan.preview(arrivalOf(bytes, bytes.length)).excerpt!.bytes)).toBe(true);
  });

  test("are unknown if the picture is a part of itself", () => {
    const bytes = file([reference("dimg", 1, 2, 1), reference("dimg", 2, 1, 2)], item(2, "av01", 2, 1));
    expect(avif.plan.preview(arrivalOf(bytes, bytes.length - 1))).toEqual({ excerpt: null, need: "whole" });
  });

  test("include the same tile once", () => {
    const bytes = file([reference("dimg", 1, 2, 2, 2)], item(2, "av01", 2, 1));
    const { excerpt } = follow(avif.plan.preview, bytes).at(-1)!.step;
    expect(dataOf(bytes)).toEqual([1, 2]);
    expect(excerpt!.bytes.length).toBe(bytes.length + 16);
  });
});

describe("a hostile list of locations", () => {
  const original = heicWithThumbnail({ side: 80 });
  const list = original.indexOf("iloc") + 4;
  const entry = (index: number) => list + 8 + 14 * index;
  const changed = (change: (file: Buffer) => void) => {
    const file = Buffer.from(original);
    change(file);
    return file;
  };

  test.each<[string, Buffer]>([
    ["an extent behind the end of the file", changed((file) => file.writeUInt32BE(original.length - 1, entry(1) + 6))],
    ["an extent without a length", changed((file) => file.writeUInt32BE(0, entry(1) + 10))],
    ["data in another file", changed((file) => file.writeUInt16BE(1, entry(1) + 2))],
    ["more items than the list has", changed((file) => file.writeUInt16BE(65_535, list + 6))],
    ["more extents than the list has", changed((file) => file.writeUInt16BE(65_535, entry(1) + 4))],
    ["fields of an unknown size", changed((file) => file.writeUInt16BE(0x3400, list + 4))],
    ["an unknown version", changed((file) => file.writeUInt8(3, list))],
    ["the same item twice", changed((file) => file.writeUInt16BE(1, entry(1)))],
  ])("makes the file read whole: %s", (_, file) => {
    expect(heic.plan.preview(arrivalOf(file, 12_000))).toEqual({ excerpt: null, need: "whole" });
    expect(file.equals(heic.plan.preview(arrivalOf(file, file.length)).excerpt!.bytes)).toBe(true);
  });

  test("copies overlapping extents once", () => {
    const file = changed((bytes) => bytes.copy(bytes, entry(2) + 6, entry(1) + 6, entry(1) + 14));
    const { excerpt } = follow(heic.plan.preview, file).at(-1)!.step;
    expect(excerpt!.bytes.length).toBeLessThan(1_510_000);
  });
});

test("a movie without a picture is read whole", () => {
  const file = Buffer.concat([latin1("\0\0\0\x14ftypavis\0\0\0\0avis\0\0\x01\0moov"), Buffer.alloc(30_000)]);
  expect(avif.plan.preview(arrivalOf(file, 12_000)).need).toBe("whole");
});

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

test("the excerpt of a file that is a sequence too has the brand of a picture alone", () => {
  const file = heifOf({
    brands: ["avis", "msf1", "mif1"],
    primary: 1,
    properties: [storedSize(400, 300)],
    items: [{ id: 1, type: "av01", data: Buffer.alloc(1000, 1), properties: [1] }],
  });
  const excerpt = Buffer.from(follow(avif.plan.preview, file).at(-1)!.step.excerpt!.bytes);
  expect(excerpt.includes(Buffer.alloc(1000, 1))).toBe(true);
  expect(["avis", "msf1"].filter((brand) => excerpt.includes(brand))).toEqual([]);
  expect(file.includes("avis")).toBe(true);
});

test.each(["an AVIF sequence", "a turned AVIF sequence"] as const)(
  "%s has the size of its first track that has one",
  (name) => {
    const file = byteFiles[name]!;
    const at = file.indexOf("trak") - 4;
    const track = file.subarray(at, at + file.readUInt32BE(at));
    const sizeless = Buffer.from(track);
    sizeless.fill(0, sizeless.indexOf("av01") + 4 + 24, sizeless.indexOf("av01") + 4 + 28);
    const withTracks = (...tracks: readonly Buffer[]) =>
      Buffer.concat([fileType("avis"), box("moov", file.subarray(file.indexOf("moov") + 4, at), ...tracks)]);
    expect(readSequenceSize(withTracks(sizeless))).toBeNull();
    expect(readSequenceSize(withTracks(sizeless, track))).toEqual(readSequenceSize(file));
    expect(readSequenceSize(file)).not.toBeNull();
  },
);
