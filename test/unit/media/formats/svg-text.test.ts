import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { prepareSvg } from "../../../../src/media/formats/svg-text.ts";

const drawing = (text: string) => `<svg xmlns="http://www.w3.org/2000/svg"><text>${text}</text></svg>`;
const declared = (encoding: string, text: string) => `<?xml version="1.0" encoding="${encoding}"?>${drawing(text)}`;
const utf16 = (text: string) => Buffer.from(text, "utf16le");

test.each([
  ["in ISO-8859-1", Buffer.from(declared("ISO-8859-1", "größer"), "latin1"), "größer"],
  ["in windows-1252 without a declaration", Buffer.from(drawing("größer"), "latin1"), "größer"],
  ["in windows-1252 with a euro sign", Buffer.from(declared("windows-1252", "5 \x80"), "latin1"), "5 €"],
  ["in another 8-bit encoding", Buffer.from(declared("koi8-r", "\xce\xc5\xd4"), "latin1"), "нет"],
  ["in UTF-16", utf16(`\ufeff${declared("UTF-16", "größer")}`), "größer"],
  ["in UTF-16 BE without a byte order mark", utf16(drawing("größer")).swap16(), "größer"],
  ["in UTF-8 that is declared as UTF-16", Buffer.from(declared("UTF-16", "größer")), "größer"],
  ["in UTF-8 that is declared as ISO-8859-1", Buffer.from(declared("ISO-8859-1", "größer")), "größer"],
  [
    "in ISO-2022-JP, whose bytes are those of UTF-8 too",
    Buffer.from(declared("ISO-2022-JP", "\x1b$BF|K\\\x1b(B")),
    "日本",
  ],
])("the text of an SVG %s is read", (_, file, text) => {
  for (const body of [file, gzipSync(file)]) {
    const prepared = Buffer.from(prepareSvg(body)).toString();
    expect(prepared.slice(prepared.indexOf("-->") + 3)).toBe(drawing(text));
  }
});

test.each([
  ["in UTF-8", Buffer.from(declared("UTF-8", "größer"))],
  ["without a declaration", Buffer.from(drawing("größer"))],
  ["in an encoding that does not exist", Buffer.from(declared("x-none", "größer"), "latin1")],
  ["that is no gzip data behind its first bytes", Buffer.from("\x1f\x8b\x08broken", "latin1")],
])("an SVG %s is left as it is", (_, file) => {
  expect(prepareSvg(file)).toBe(file);
});
