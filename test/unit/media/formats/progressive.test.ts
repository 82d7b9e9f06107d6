import fc from "fast-check";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { beginningOf } from "../../../../src/media/formats/progressive.ts";
import { photo } from "../../../support/images.ts";

const total = 1_000_000;

/** The smallest number of first bytes that are enough for the hash; null if none are. */
function enoughBytes(body: Uint8Array, total: number | null): number | null {
  if (!beginningOf(body, total)) return null;
  let [few, many] = [0, body.length];
  while (many - few > 1) {
    const middle = (few + many) >> 1;
    if (beginningOf(body.subarray(0, middle), total)) many = middle;
    else few = middle;
  }
  return many;
}

describe("a progressive JPEG", () => {
  let body: Buffer;
  beforeAll(async () => {
    body = await photo(1024, 768).jpeg({ progressive: true, quality: 90 }).toBuffer();
  });

  test("30 % of a progressive JPEG are enough for its hash, as a picture of the same size", async () => {
    const enough = enoughBytes(body, body.length)!;
    expect(enough).toBeLessThan(0.3 * body.length);
    const beginning = beginningOf(body, body.length)!;
    expect(beginning).toEqual(beginningOf(body.subarray(0, enough), body.length));
    const { width, height } = await sharp(beginning, { failOn: "truncated" }).metadata();
    expect([width, height]).toEqual([1024, 768]);
    expect((await sharp(beginning, { failOn: "truncated" }).stats()).isOpaque).toBe(true); // all of it can be decoded
  });

  test("a progressive JPEG of less than 100 kB is read whole; without a length 100 kB must arrive first", () => {
    expect(beginningOf(body, 99_999)).toBeNull();
    expect(beginningOf(body, null)).not.toBeNull();
    expect(beginningOf(body.subarray(0, 99_999), null)).toBeNull();
    expect(beginningOf(body.subarray(0, 100_000), null)).not.toBeNull();
  });

  test.each([0, 1, 0xd0, 0xd7, 0xd8])(
    "a progressive JPEG is read whole after marker %i, which has no length",
    (marker) => {
      const file = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, marker, 0, 2]), body.subarray(2)]);
      expect(beginningOf(file, file.length)).toBeNull();
    },
  );
});

test.each([
  ["one that is not progressive", () => photo(512, 512).jpeg({ quality: 90 })],
  ["a small one", () => photo(511, 2000).jpeg({ quality: 90, progressive: true })],
  ["one whose averages come too coarse", () => photo(512, 512).jpeg({ quality: 20, progressive: true })],
  ["a PNG", () => photo(512, 512).png()],
])("the hash needs all of a file: %s", async (_, make) => {
  expect(beginningOf(await make().toBuffer(), total)).toBeNull();
});

test("a first scan with exact averages is enough for the hash at any JPEG quality", async () => {
  const body = await photo(512, 512).jpeg({ quality: 20, mozjpeg: true }).toBuffer();
  expect(beginningOf(body, total)).not.toBeNull();
});

describe("the averages of a progressive JPEG of two components", () => {
  const segment = (marker: number, ...content: number[]) => [0xff, marker, 0, 2 + content.length, ...content];
  const frame = [8, 4, 0, 4, 0, 2, 1, 0x11, 0, 2, 0x11, 0]; // 1024 x 1024, both components with table 0
  const head = [0xff, 0xd8, ...segment(0xdb, 0, ...Array<number>(64).fill(1)), ...segment(0xc2, ...frame)];
  /** A scan of one component with a byte of data, and the marker behind it. */
  const scan = (component: number, firstCoefficient: number, bits: number) => [
    ...segment(0xda, 1, component, 0, firstCoefficient, firstCoefficient === 0 ? 0 : 63, bits),
    0x55,
  ];
  const averages = (component: number, bits = 0) => scan(component, 0, bits);
  const hasCut = (...scans: number[][]) => {
    const file = Uint8Array.from([...head, ...scans.flat(), ...segment(0xfe)]);
    return beginningOf(file, total) !== null;
  };

  test("come with the first scans of both", () => {
    expect(hasCut(averages(1))).toBe(false);
    expect(hasCut(averages(1), averages(1))).toBe(false);
    expect(hasCut(averages(1), averages(2))).toBe(true);
  });

  test.each([
    ["of detail", scan(2, 1, 0)],
    ["that refines averages", averages(2, 0x10)],
  ])("do not come with a scan %s", (_, other) => {
    expect(hasCut(averages(1), other)).toBe(false);
    expect(hasCut(averages(1), other, averages(2))).toBe(true);
  });

  test.each([
    ["a second frame header", segment(0xc2, ...frame)],
    ["a second frame header of more components than four", segment(0xc2, ...frame.with(5, 5))],
  ])("are not searched behind %s", (_, other) => {
    expect(hasCut(averages(1), other, averages(1), averages(2))).toBe(false);
  });

  test("are not searched if the frame header has more components than four", () => {
    const at = head.length - frame.length + 5;
    const file = (count: number) =>
      Uint8Array.from([...head.with(at, count), ...averages(1), ...averages(2), ...segment(0xfe)]);
    expect([4, 5].map((count) => beginningOf(file(count), total) !== null)).toEqual([true, false]);
  });
});

test("the search for the scans of a JPEG never throws, and takes less than 150 ms for 20 MB of any filling", () => {
  const frame = [0xff, 0xd8, 0xff, 0xc2, 0, 11, 8, 4, 0, 4, 0, 1, 1, 0x11, 0];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
      beginningOf(Uint8Array.from([...frame, ...tail]), total);
    }),
  );
  const scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0x10];
  for (const filling of ["\xff\0", "\xff", "\0", "\xff\xe0\0\x02", "\xff\xdb\0\x02"]) {
    for (const head of [frame, [...frame, ...scan]]) {
      const body = Buffer.concat([Buffer.from(head), Buffer.alloc(20_000_000, filling, "latin1")]);
      const before = process.cpuUsage();
      expect(beginningOf(body, total)).toBeNull();
      const { user } = process.cpuUsage(before); // CPU time: other processes do not count
      expect(user / 1000).toBeLessThan(150); // milliseconds; mostly less than 10
    }
  }
});
