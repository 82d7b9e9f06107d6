import { filmFiles } from "./byte-files/films.ts";
import { heifFiles } from "./byte-files/heif.ts";
import { movieFiles } from "./byte-files/movies.ts";
import { pictures } from "./byte-files/pictures.ts";
import { soundFiles } from "./byte-files/sounds.ts";
import { heads, latin1 } from "./heads.ts";
import { packageHeads } from "./package-heads.ts";
import { zip } from "./zip.ts";

const stored = (name: string, content: string) => ({ name, content, isStored: true });
const documents = {
  "an embedded font": Buffer.concat([
    Buffer.from([100, 0, 0, 0, 90, 0, 0, 0, 2, 0, 2, 0]),
    Buffer.alloc(22),
    latin1("LP"),
    Buffer.alloc(64),
  ]),
  "a page": Buffer.from("<!-- a --><!doctype html><title>a</title>"),
  "an archive of stored files": zip(stored("mimetype", "application/epub+zip"), stored("a", "b")),
  "an archive": zip(stored("a.txt", "hello"), stored("b.txt", "world")),
  "an Office document": zip(
    stored(
      "[Content_Types].xml",
      '<Types><Override PartName="/w" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
    ),
    stored("word/document.xml", "<a/>"),
  ),
};

// Their bytes are made by zlib, whose versions differ.
const compressed = ["tgs", "svgz", ...Object.keys(packageHeads)];

/** Small files of many formats, from bytes alone: the same on every machine. By name; the type is sniffed. */
export const byteFiles: Readonly<Record<string, Buffer>> = {
  ...Object.fromEntries(Object.entries(heads).filter(([name]) => !compressed.includes(name))),
  ...pictures,
  ...heifFiles,
  ...movieFiles,
  ...filmFiles,
  ...soundFiles,
  ...documents,
};
