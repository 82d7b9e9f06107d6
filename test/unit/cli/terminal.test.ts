import { expect, test } from "vitest";
import type { Context } from "../../../src/cli/context.ts";
import { colourDepthOf, drawBlurhash, printable } from "../../../src/cli/terminal.ts";
import { rgbaToBlurhash } from "../../../src/media/worker/blurhash.ts";

const depthOf = (isTTY: boolean | undefined, environment: Record<string, string>) =>
  colourDepthOf({ ...(isTTY !== undefined && { isTTY }) }, { environment } as unknown as Context);

test("an output has the colours of its terminal, and a pipe has none unless FORCE_COLOR is set", () => {
  const terminal = { TERM: "xterm-256color", COLORTERM: "truecolor" };
  expect(depthOf(true, terminal)).toBe(24);
  expect(depthOf(true, { TERM: "xterm-256color" })).toBe(8);
  expect(depthOf(true, { ...terminal, NO_COLOR: "1" })).toBe(1);
  expect(depthOf(undefined, terminal)).toBe(1);
  expect(depthOf(false, terminal)).toBe(1);
  expect(depthOf(undefined, { FORCE_COLOR: "3" })).toBe(24);
});

test("text of other machines is printed without control characters, line separators and bidirectional overrides", () => {
  expect(printable("a\u001b[2J\u0007\r\nb\u009bc\u202ed\u2066e\u2028f\u2029g\u00adh ä")).toBe("a[2Jbcdefgh ä");
});

/** The BlurHash of a picture in one colour: with one component it is decoded to this colour exactly. */
const hashOf = (colour: readonly [red: number, green: number, blue: number]) =>
  rgbaToBlurhash(
    32,
    32,
    Uint8Array.from({ length: 32 * 32 * 4 }, (_, index) => colour[index % 4] ?? 255),
    { x: 1, y: 1 },
  );

const blue = hashOf([0x40, 0x80, 0xc0]);

/** Number of rows, and the numbers of half blocks in them. */
const shapeOf = (aspect: number) => {
  const lines = drawBlurhash(blue, aspect, 24);
  return [lines.length, ...new Set(lines.map((line) => line.split("▀").length - 1))];
};

test.each([
  [1, 14, 28],
  [4 / 3, 14, 36], // 37 without the limit
  [16 / 9, 10, 36],
  [3, 6, 36],
  [1 / 2, 14, 14],
  [100, 1, 36],
  [1 / 100, 14, 4],
])("a picture of aspect %d is drawn in %d rows of %d characters", (aspect, rows, columns) => {
  expect(shapeOf(aspect)).toEqual([rows, columns]);
});

/** The SGR parameters of all colours, of the upper and of the lower pixels. */
const coloursOf = (lines: readonly string[]) => [
  ...new Set(lines.flatMap((line) => [...line.matchAll(/\[38;([\d;]+);48;([\d;]+)m/g)].flatMap(([, ...both]) => both))),
];

test("a blurhash is drawn in the colours of the output: all, or the nearest ones of the palette of 256", () => {
  const white = drawBlurhash(hashOf([255, 255, 255]), 1, 24);
  expect(coloursOf(white)).toEqual(["2;255;255;255"]);
  expect(white.every((line) => line.endsWith("\x1b[0m"))).toBe(true);
  // The cube of 6 x 6 x 6 colours begins at 16, its last one is 231; pure red, green and blue are 5 steps of 36, 6 and 1.
  for (const [colour, index] of [
    [[0, 0, 0], 16],
    [[255, 255, 255], 231],
    [[255, 0, 0], 196],
    [[0, 255, 0], 46],
    [[0, 0, 255], 21],
    [[51, 102, 153], 16 + 36 + 12 + 3],
  ] as const) {
    expect(coloursOf(drawBlurhash(hashOf(colour), 1, 8))).toEqual([`5;${index}`]);
  }
});

test("a blurhash is not drawn with sixteen colours or fewer", () => {
  expect(drawBlurhash(blue, 1, 8)).toHaveLength(14);
  for (const depth of [1, 4, 7]) expect(drawBlurhash(blue, 1, depth)).toEqual([]);
});

/** Red on the left, blue on the right; dark above, bright below. */
const quarters = rgbaToBlurhash(
  32,
  32,
  Uint8Array.from({ length: 32 * 32 * 4 }, (_, index) => {
    const [at, channel] = [Math.floor(index / 4), index % 4];
    const level = Math.floor(at / 32) < 16 ? 60 : 255;
    const lit = at % 32 < 16 ? 0 : 2;
    return channel === 3 ? 255 : channel === lit ? level : 0;
  }),
  { x: 4, y: 3 },
);

test("the drawing has the picture's left on the left and its top at the top, in each half block too", () => {
  const lines = drawBlurhash(quarters, 1, 24).map((line) =>
    [...line.matchAll(/38;2;(\d+);\d+;(\d+);48;2;(\d+);\d+;(\d+)m/g)].map((match) => match.slice(1).map(Number)),
  );
  for (const row of lines) {
    const [first, last] = [row.at(0)!, row.at(-1)!];
    expect(first[0]).toBeGreaterThan(first[1]!);
    expect(last[0]).toBeLessThan(last[1]!);
  }
  const reds = lines.flatMap((row) => [row[0]![0]!, row[0]![2]!]); // of the left edge, from top to bottom
  expect(reds.at(-1)).toBeGreaterThan(reds[0]! + 50);
  const middle = reds.slice(8, 20);
  expect(middle).toEqual(middle.toSorted((one, other) => one - other));
});
