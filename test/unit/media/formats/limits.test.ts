import { describe, expect, test } from "vitest";
import { createWorkBudget, readText } from "../../../../src/media/formats/bytes.ts";
import { readProfile, readThumbnail } from "../../../../src/media/formats/heif-items.ts";
import { type FormatName, formats } from "../../../../src/media/formats/index.ts";
import type { Need, ReadPlan, ReceivedFile } from "../../../../src/media/formats/plan.ts";
import { zipEntries } from "../../../../src/media/formats/zip.ts";
import { box, fileType, latin1 } from "../../../support/heads.ts";
import { heifOf, reference, storedSize } from "../../../support/plan-files.ts";
import {
  asfHeader,
  asfObject,
  flacStreamInfo,
  flvHeader,
  guids,
  oggHeads,
  oggPage,
} from "../../../support/stream-heads.ts";
import { fragment, fragmentDefaults, movieHeader, uintLE } from "../../../support/track-bytes.ts";
import { uint } from "../../../support/worst-cases.ts";
import { contentTypes, zip } from "../../../support/zip.ts";

// Lengths in a header cost nothing to write: without limits a few bytes would make the service read gigabytes.

const KiB = 1024;
const MiB = 1024 ** 2;

/** A file of which only the first bytes have arrived; it goes on for a terabyte. */
const beginning = (...bytes: readonly Uint8Array[]): ReceivedFile => ({
  prefix: Buffer.concat(bytes),
  parts: [],
  length: 2 ** 40,
});

const planOf = (name: FormatName): ReadPlan => formats.find((format) => format.name === name)!.plan;

/** An ID3 tag that ends there: a size of seven bits a byte. */
function tagTo(end: number): Buffer {
  const size = [21, 14, 7, 0].map((bits) => ((end - 10) >> bits) & 127);
  return Buffer.concat([latin1("ID3\x04\0\0"), Buffer.from(size)]);
}

/** A box whose content has not arrived, but for the bytes of a longer header. */
const boxOf = (type: string, bytes: number) => Buffer.concat([uint(4, bytes), latin1(type), Buffer.alloc(8)]);
const asfStart = asfHeader().fill(0xff, 16, 20);
const asfObjectTo = (end: number) => {
  const object = asfObject(guids.header, Buffer.alloc(40));
  object.writeBigUInt64LE(BigInt(end - asfStart.length), 16);
  return object;
};
const ebml = (id: number, bytes: number) => Buffer.concat([uint(4, id), Buffer.of(0x08), uint(4, bytes)]);
const matroskaStart = Buffer.concat([Buffer.from("1a45dfa380", "hex"), Buffer.from("18538067ff", "hex")]);
const meta = (bytes: number) => [fileType("avif"), boxOf("meta", bytes - fileType("avif").length)];
const common = (bytes: number) => Buffer.concat([latin1("FORM\0\xff\xff\xffAIFC"), latin1("COMM"), uint(4, bytes)]);

const needOf = (name: FormatName, step: "facts" | "preview", bytes: readonly Uint8Array[]): Need | null =>
  planOf(name)[step](beginning(...bytes)).need;

test.each<[string, FormatName, "facts" | "preview", number, number, (end: number) => readonly Uint8Array[]]>([
  ["the ID3 tags of a FLAC", "flac", "facts", 32 * MiB, 1, (end) => [tagTo(end)]],
  ["the ID3 tags of a song", "mp3", "preview", 16 * MiB, 1, (end) => [tagTo(end)]],
  ["the objects of a file of Windows Media", "asf", "facts", 8 * MiB, 1, (end) => [asfStart, asfObjectTo(end)]],
  [
    "the header list of an AVI",
    "avi",
    "facts",
    4 * MiB,
    1,
    (end) => [latin1("RIFF\0\0\0\0AVI LIST"), uintLE(4, end - 20), latin1("hdrl")],
  ],
  [
    "the chunks before the header list of an AVI",
    "avi",
    "facts",
    4 * MiB - 2,
    2,
    (end) => [latin1("RIFF\0\0\0\0AVI JUNK"), uintLE(4, end - 20), Buffer.alloc(4)],
  ],
  ["the common chunk of an AIFF", "aiff", "facts", 1024, 1, (bytes) => [common(bytes)]],
  [
    "the packets before the header of a Musepack",
    "musepack",
    "facts",
    64 * KiB - 1,
    1,
    (end) => [latin1("MPCKRG"), Buffer.of(0x80 | ((end - 4) >> 14), 0x80 | (((end - 4) >> 7) & 127), (end - 4) & 127), Buffer.alloc(64)], // prettier-ignore
  ],
])("more bytes are needed up to a limit, and none beyond it: %s", (_, name, step, limit, more, make) => {
  const ends = [limit, limit + more].map((end) => needOf(name, step, make(end)));
  expect(ends).toEqual([expect.any(Object), null]); // not "whole"
});

test.each<[string, FormatName, number, (end: number) => readonly Uint8Array[]]>([
  ["the head of a Matroska", "matroska", 16 * MiB, (end) => [matroskaStart, ebml(0x1549a966, end - 19)]],
  ["the header of a movie", "mp4", 8 * MiB, (bytes) => [fileType("isom"), boxOf("moov", bytes)]],
  ["the list of a HEIF", "avif", 4 * MiB, meta],
])("more bytes are needed up to a limit, and beyond it the whole file: %s", (_, name, limit, make) => {
  const ends = [limit, limit + 1].map((end) => needOf(name, "facts", make(end)));
  expect(ends).toEqual([expect.any(Object), "whole"]);
});

test("the chunks behind the samples of a WAV are read for a cover if they have 1 KiB to 8 MiB", () => {
  const format = Buffer.concat([latin1("fmt "), uintLE(4, 16), uintLE(2, 1), uintLE(2, 1), uintLE(4, 8000), uintLE(4, 8000), uintLE(2, 1), uintLE(2, 8)]); // prettier-ignore
  const prefix = Buffer.concat([latin1("RIFF\0\0\0\0WAVE"), format, latin1("data"), uintLE(4, 100 * MiB)]);
  const end = prefix.length + 100 * MiB;
  const needFor = (bytes: number) => planOf("wav").preview({ prefix, parts: [], length: end + bytes }).need;
  expect([KiB - 1, KiB, 8 * MiB, 8 * MiB + 1].map(needFor)).toEqual([
    null,
    { from: end, to: end + KiB },
    { from: end, to: end + 8 * MiB },
    null,
  ]);
});

test("a script of Flash video is read for 64 KiB: its duration stands before the list of key frames", () => {
  const script = (bytes: number) => beginning(flvHeader, Buffer.of(18), uint(3, bytes), Buffer.alloc(7));
  const needs = [64 * KiB - 1, 64 * KiB, 64 * KiB + 1, 2 ** 24 - 1].map(
    (bytes) => planOf("flv").facts(script(bytes)).need,
  );
  expect(needs).toEqual([24 + 64 * KiB - 1, ...Array<number>(3).fill(24 + 64 * KiB)].map((prefix) => ({ prefix })));
});

test("a list has 4096 steps, and a text in it 64 characters", () => {
  const work = createWorkBudget();
  expect(Array.from({ length: 4098 }, () => work.step()).indexOf(false)).toBe(4096);
  expect(readText(Buffer.alloc(100, "a"), 10, 100)).toHaveLength(64);
  expect(readText(Buffer.alloc(100, "a"), 90, 100)).toHaveLength(10);
});

test("the ID3 tags before a FLAC are four at most", () => {
  const flac = Buffer.concat([latin1("fLaC\x80\0\0\x22"), flacStreamInfo(44_100)]);
  const durationBehind = (tags: number) =>
    planOf("flac").facts(beginning(Buffer.alloc(10 * tags, tagTo(10)), flac)).known.durationMs;
  expect([0, 1, 4, 5].map(durationBehind)).toEqual([1000, 1000, 1000, undefined]);
});

describe("the comments of an Ogg file", () => {
  const head = oggPage(2, 7, 0, oggHeads.vorbis);

  /** A file whose first page with content stands there, behind pages of comments. */
  function commented(contentAt: number, bytesAPage: number): Buffer {
    const segments = Math.floor((bytesAPage - 27) / 256);
    const comment = Buffer.alloc(27 + 256 * segments);
    oggPage(0, 7, -1).copy(comment);
    comment[26] = segments;
    comment.fill(255, 27, 27 + segments);
    const pages = Math.floor((contentAt - head.length - 40) / comment.length);
    const rest = contentAt - head.length - pages * comment.length - 29;
    const last = oggPage(0, 7, 0, Buffer.alloc(255 * Math.floor(rest / 256)), Buffer.alloc(rest % 256));
    return Buffer.concat([head, ...Array<Buffer>(pages).fill(comment), last, oggPage(0, 7, 1024, Buffer.alloc(400))]);
  }

  const needFor = (file: Buffer) => needOf("ogg-audio", "facts", [file]);

  test("the comments of an Ogg file are read as far as 8 MiB, then the whole file is needed for its duration", () => {
    const [near, far] = [8 * MiB - 1, 8 * MiB].map((at) => commented(at, 65_307));
    expect(near!.length).toBe(8 * MiB - 1 + 27 + 2 + 400);
    expect([near!, far!].map(needFor)).toEqual([{ from: 2 ** 40 - 64 * KiB, to: 2 ** 40 }, "whole"]);
  });

  test("the comments of an Ogg file are read on 1024 pages, then the whole file is needed for its duration", () => {
    const files = [1021, 1022].map((pages) => commented(head.length + 27 + 256 + pages * (27 + 256), 27 + 256));
    expect(files.map(needFor)).toEqual([{ from: 2 ** 40 - 64 * KiB, to: 2 ** 40 }, "whole"]);
  });
});

describe("a content in an archive whose length stands behind it", () => {
  const list = contentTypes("main+xml");
  const archive = zip({ name: "a", content: "abc", isStored: true, hasDescriptor: true }, list);
  const head = archive.subarray(0, archive.indexOf("PK\x01\x02", 0, "latin1")); // the directory has not arrived

  const namesIn = (bytes: Uint8Array) => [...zipEntries(bytes)].map(({ name }) => name);

  test("a content in an archive ends at its data descriptor", () => {
    expect(namesIn(head)).toEqual(["a", list.name]);
    expect([...zipEntries(head)].map(({ readContent }) => readContent()?.length)).toEqual([3, expect.any(Number)]);
  });

  test("a content in an archive ends at a data descriptor with lengths of 64 bits", () => {
    const at = head.indexOf("PK\x07\x08", 0, "latin1");
    const [lengths, rest] = [head.subarray(at + 8, at + 16), head.subarray(at + 16)];
    const long = Buffer.concat([head.subarray(0, at + 8), ...[0, 4].flatMap((from) => [lengths.subarray(from, from + 4), Buffer.alloc(4)]), rest]); // prettier-ignore
    expect(namesIn(long)).toEqual(["a", list.name]);
  });

  test("an archive is read no further than a content without a data descriptor of its length", () => {
    const damaged = Buffer.from(head);
    damaged[damaged.indexOf("PK\x07\x08", 0, "latin1") + 8]! += 1;
    expect(namesIn(damaged)).toEqual(["a"]);
  });
});

describe("a picture of 4000 x 3000 in a HEIF", () => {
  const picture = (property: Buffer, ...references: readonly Buffer[]) =>
    heifOf({
      brands: ["heic"],
      primary: 1,
      properties: [storedSize(4000, 3000), property],
      references,
      items: [
        { id: 1, type: "hvc1", data: Buffer.alloc(9), properties: property.includes("colr") ? [1, 2] : [1] },
        { id: 2, type: "hvc1", data: Buffer.alloc(9), properties: [2] },
      ],
    });
  const thumbnailReference = reference("thmb", 2, 1);

  test.each([
    [134, 100, true],
    [133, 99, false],
    [100, 75, false],
    [1029, 750, true],
    [1031, 750, false],
    [971, 750, true],
    [969, 750, false],
  ])("a picture of 4000 x 3000 has a thumbnail of %d x %d for its hash: %s", (width, height, isUsed) => {
    const thumbnail = readThumbnail(picture(storedSize(width, height), thumbnailReference));
    expect(thumbnail).toEqual(isUsed ? { item: 2, width, height } : null);
  });

  test.each([
    [15, true],
    [16, false],
  ])("a picture has a thumbnail for its hash behind %d other references: %s", (others, isUsed) => {
    const references = [...Array<Buffer>(others).fill(reference("cdsc", 3, 1)), thumbnailReference];
    expect(readThumbnail(picture(storedSize(320, 240), ...references)) !== null).toBe(isUsed);
  });

  test.each([
    [MiB, true],
    [MiB + 1, false],
  ])("a picture has a colour profile of %d bytes, with its kind: %s", (bytes, isUsed) => {
    const profile = readProfile(picture(box("colr", "prof", Buffer.alloc(bytes - 4, 7))));
    expect(profile?.length ?? null).toBe(isUsed ? bytes - 4 : null);
  });
});

describe("the duration of a fragmented film", () => {
  const trailer = (id: number, time: number, at: number, bytes: number) => {
    const table = box("tfra", Buffer.alloc(4), uint(4, id), uint(4, 0), uint(4, 1), uint(4, time), uint(4, at), Buffer.alloc(3)); // prettier-ignore
    const padding = box("free", Buffer.alloc(bytes - 8 - table.length - 8 - 16));
    return box("mfra", table, padding, box("mfro", Buffer.alloc(4), uint(4, bytes)));
  };
  const start = Buffer.concat([fileType("isom"), movieHeader([{}], fragmentDefaults()), fragment(1, 10, 0)]);
  const header = start.length - fragment(1, 10, 0).length;
  const last = fragment(1, 10, 9000);

  /** The need that is left once the first bytes and the whole index have arrived. */
  function needFor(indexBytes: number, mediaBytes: number): Need | null {
    const at = start.length + 10 * MiB;
    const index = trailer(1, 9000, at, indexBytes);
    const length = at + last.length + mediaBytes + index.length;
    const prefix = Buffer.concat([start, Buffer.alloc(64 * KiB + header - start.length)]);
    return planOf("mp4").facts({ prefix, parts: [{ at: length - index.length, bytes: index }], length }).need;
  }

  test("the duration of a fragmented film is read from its last fragments if the index at its end has a megabyte at most", () => {
    expect([MiB, MiB + 1].map((bytes) => needFor(bytes, 0))).toEqual([{ from: expect.any(Number), to: expect.any(Number) }, "whole"]); // prettier-ignore
  });

  test("the duration of a fragmented film is read from its last fragments if these and the index have four megabytes at most", () => {
    const bytes = 4 * MiB - last.length - 8 * KiB;
    expect([bytes, bytes + 1].map((media) => needFor(8 * KiB, media))).toEqual([{ from: expect.any(Number), to: expect.any(Number) }, "whole"]); // prettier-ignore
  });

  test("the duration of a fragmented film takes the first 64 KiB behind its header, in which an index of all fragments may be", () => {
    const facts = (bytes: number) => planOf("mp4").facts({ prefix: Buffer.concat([start, Buffer.alloc(bytes)]), parts: [], length: 2 ** 40 }); // prettier-ignore
    const missing = 64 * KiB + header - start.length;
    expect(facts(missing - 1).need).toEqual({ prefix: expect.any(Number) as number });
    expect(facts(missing).need).toEqual({ from: 2 ** 40 - 4 * KiB, to: 2 ** 40 });
  });
});
