import fc from "fast-check";
import { expect, test } from "vitest";
import { withoutTexts } from "../../../../src/media/formats/png.ts";
import { pngChunk, zeroPng } from "../../../support/bombs.ts";

const options = { colour: 2, depth: 8 } as const;
const text = (type: string) => pngChunk(type, Buffer.from("a\0\0whatever"));

test("only the text chunks of a PNG are stripped", () => {
  const extra = [text("tEXt"), text("gAMA"), text("zTXt"), text("iTXt"), text("eXIf")];
  const left = withoutTexts(zeroPng(8, { ...options, extra }));
  expect(Buffer.from(left)).toEqual(zeroPng(8, { ...options, extra: [text("gAMA"), text("eXIf")] }));
});

test("text chunks after the pixels of a PNG are stripped too", () => {
  const file = zeroPng(8, options);
  expect(Buffer.from(withoutTexts(Buffer.concat([file, text("zTXt")])))).toEqual(file);
});

test("a truncated PNG stays truncated when its texts are stripped", () => {
  const file = zeroPng(8, options);
  expect(Buffer.from(withoutTexts(file.subarray(0, -20)))).toEqual(zeroPng(8, options).subarray(0, -20));
});

test("stripping the texts of a PNG never throws, drops no other chunk and never adds bytes", () => {
  const signature = zeroPng(1, options).subarray(0, 8);
  const chunk = fc.tuple(fc.constantFrom("tEXt", "IDAT", "zTXt"), fc.uint8Array({ maxLength: 40 }));
  fc.assert(
    fc.property(fc.array(chunk), fc.uint8Array({ maxLength: 40 }), (chunks, rest) => {
      const kept = chunks.filter(([type]) => type === "IDAT").map(([type, data]) => pngChunk(type, data));
      const all = Buffer.concat([signature, ...chunks.map(([type, data]) => pngChunk(type, data)), rest]);
      const left = Buffer.from(withoutTexts(all));
      expect(left.subarray(0, 8 + Buffer.concat(kept).length)).toEqual(Buffer.concat([signature, ...kept]));
      expect(left.length).toBeLessThanOrEqual(all.length);
    }),
  );
});
