import { deflateRawSync } from "node:zlib";
import { expect, test } from "vitest";
import { type FormatName, formats } from "../../../../src/media/formats/index.ts";
import { mediaType, sniff, sniffBytes } from "../../../../src/media/formats/sniff.ts";
import { noise } from "../../../support/images.ts";
import { contentTypes, zip } from "../../../support/zip.ts";

const wordMain = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml";
const empty = (name: string) => ({ name, content: "" });
const large = (name: string) => ({ name, content: Buffer.from(noise(100, 100, 1)), isStored: true });
const piped = { hasDescriptor: true } as const;

test.each<[string, Buffer, FormatName]>([
  ["a document with its list of parts first", zip(contentTypes(wordMain), large("word/document.xml")), "docx"],
  ["a document behind any other file", zip({ name: "docProps/x", content: "x" }, contentTypes(wordMain)), "docx"],
  ["a document of lengths behind the contents", zip({ name: "a", content: "abc", ...piped }, { ...contentTypes(wordMain), ...piped }), "docx"], // prettier-ignore
  ["a document whose list of parts is behind the head", zip(empty("word/numbering.xml"), large("word/document.xml"), contentTypes(wordMain)), "docx"], // prettier-ignore
  ["a workbook whose list of parts is behind the head", zip(large("xl/workbook.xml"), contentTypes("x")), "xlsx"],
  ["slides whose list of parts is behind the head", zip(large("ppt/slides/slide1.xml"), contentTypes("x")), "pptx"],
  ["a document whose first file has a descriptor without a signature", zip({ name: "a", content: "abc", isStored: true, ...piped }, contentTypes(wordMain)).map((byte, at) => (at > 32 && at < 38 && [0x50, 0x4b, 7, 8].includes(byte) ? 0 : byte)) as Buffer, "docx"], // prettier-ignore
  ["an unknown kind of Office file", zip(contentTypes("application/vnd.ms-visio.drawing.main+xml"), empty("visio/document.xml")), "zip"], // prettier-ignore
  ["a book whose media type is deflated", zip({ name: "mimetype", content: "application/epub+zip\n" }), "epub"],
  ["an archive with a media type of its own", zip({ name: "mimetype", content: "image/openraster", isStored: true }), "zip"], // prettier-ignore
  ["a package of Android that begins with its manifest", zip(empty("AndroidManifest.xml"), large("a")), "apk"],
  ["a program of Java behind its folder", zip(empty("META-INF/"), empty("META-INF/MANIFEST.MF")), "jar"],
  ["an archive of a document", zip({ name: "a.docx", content: zip(contentTypes(wordMain)), isStored: true }), "zip"],
  ["an archive of a document, of unknown lengths", zip({ name: "a.docx", content: zip(contentTypes(wordMain)), isStored: true, ...piped }), "zip"], // prettier-ignore
  ["an archive with a folder named like a part", zip(empty("word/"), empty("word/holiday.jpg")), "zip"],
  ["an empty archive", zip(), "zip"],
])("%s is sniffed as its own kind", (_, archive, name) => {
  expect(sniff(archive.subarray(0, sniffBytes))?.name).toBe(name);
});

test("a list of parts that is a decompression bomb is an archive like any other", () => {
  const bomb = zip({ name: "[Content_Types].xml", content: Buffer.alloc(64 * 1024 ** 2) });
  expect(sniff(bomb)?.name).toBe("zip");
});

test("a list of parts whose compressed bytes are damaged does not throw", () => {
  const list = deflateRawSync(Buffer.from("a".repeat(100)));
  const archive = zip(contentTypes(wordMain));
  archive.fill(0xff, 50, 50 + list.length);
  expect(sniff(archive)?.name).toBe("zip");
});

const formatNamed = (name: FormatName) => formats.find((format) => format.name === name)!;

test.each<[string, FormatName, string, string, boolean]>([
  ["an archive declared as a document: its parts may be behind the head", "zip", formatNamed("docx").type, formatNamed("docx").type, false], // prettier-ignore
  ["an archive declared as another kind of archive", "zip", "application/x-7z-compressed", "application/zip", true],
  ["a document declared as an archive", "docx", "application/zip", formatNamed("docx").type, false],
  ["a document declared as a workbook", "docx", formatNamed("xlsx").type, formatNamed("docx").type, true],
  ["a program of Java declared as a package of Android", "jar", formatNamed("apk").type, formatNamed("apk").type, false], // prettier-ignore
  ["an old document", "cfb", "application/msword", "application/msword", false],
  ["a document with a password", "cfb", formatNamed("docx").type, formatNamed("docx").type, false],
  ["a compound file declared as an archive", "cfb", "application/zip", "application/x-cfb", true],
  ["a sticker declared as gzip", "tgs", "application/gzip", "application/x-tgsticker", false],
  ["gzip declared as a sticker", "gzip", "application/x-tgsticker", "application/x-tgsticker", false],
  ["a video of Windows Media", "asf-video", "video/x-ms-wmv", "video/x-ms-wmv", false],
  ["sound of Windows Media declared as a video", "asf-audio", "video/x-ms-wmv", "audio/x-ms-asf", true],
  ["a contact declared as text", "vcard", "text/plain", "text/vcard", false],
  ["text declared as a contact", "text", "text/vcard", "text/vcard", false],
])("the media type is decided from bytes and header for %s", (_, name, declared, type, mismatch) => {
  expect(mediaType(formatNamed(name), declared)).toEqual({ type, mismatch });
});
