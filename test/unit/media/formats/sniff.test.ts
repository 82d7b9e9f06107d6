import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type FormatName, formats } from "../../../../src/media/formats/index.ts";
import { mediaType, sniff, sniffAs, sniffBytes } from "../../../../src/media/formats/sniff.ts";
import { cpuMs } from "../../../support/cpu.ts";
import { corpusBytes, corpusRows, corpus } from "../../../support/corpus.ts";
import { box, fileType, heads, latin1, matroska, movie, mp3Frames, png } from "../../../support/heads.ts";
import { describeWith } from "../../../support/require.ts";

const nameOf = (head: Uint8Array) => sniff(head)?.name ?? null;
const formatNamed = (name: FormatName) => formats.find((format) => format.name === name)!;

const pictureList = box("meta", Buffer.alloc(4), box("hdlr", Buffer.alloc(8), "pict"));

describe("sniffing", () => {
  test.each(formats.map(({ name, type }) => [name, type] as const))("%s is sniffed from bytes: %s", (name, type) => {
    expect(sniff(heads[name])).toMatchObject({ name, type });
  });

  test.each<[string, Uint8Array, FormatName | null]>([
    ["nothing", new Uint8Array(), null],
    ["one byte", Buffer.from([0xff]), null],
    ["zeros", Buffer.alloc(4096), null],
    [
      "a PNG whose animation control comes after the image data",
      png(["IDAT", Buffer.alloc(3)], ["acTL", Buffer.alloc(8)]),
      "png",
    ],
    ["a PNG chunk that claims 4 GB", latin1("\x89PNG\r\n\x1a\n\xff\xff\xff\xffzzzz"), "png"],
    ["an AVIF whose major brand names no codec", fileType("mif1", "miaf", "avif"), "avif"],
    ["a HEIF of AVC", fileType("avci", "mif1", "avci", "miaf"), "heif"],
    ["a HEIF of AVC with a HEIC brand", fileType("avci", "mif1", "heic"), "heif"],
    ["a HEIF of JPEG", fileType("jpeg", "mif1"), "heif"],
    ["a HEIF of JPEG 2000", fileType("j2ki", "mif1"), "heif"],
    ["a HEIF of VVC", fileType("vvic", "mif1"), "heif"],
    ["a HEIF with a minimal list of items", fileType("mif3"), "heif"],
    ["an AVIF with a minimal list of items", fileType("mif3", "avif"), "avif"],
    ["an M4A whose brand ends with a zero", fileType("M4A\0", "3gp5"), "m4a"],
    ["a HEIC of an unknown major brand", Buffer.concat([fileType("????", "mif1", "heic"), pictureList]), "heic"],
    ["a HEIF of an unknown major brand", Buffer.concat([fileType("????", "mif1"), pictureList]), "heif"],
    [
      "a movie with a picture's brand and a cover",
      Buffer.concat([fileType("mp42", "mif1", "heic"), movie("vide"), pictureList]),
      "mp4",
    ],
    ["an animated AVIF", fileType("avis", "msf1"), "avif"],
    ["a JPEG XL container", latin1("\0\0\0\x0cJXL \r\n\x87\n"), "jxl"],
    ["a BigTIFF", latin1("MM\0+\0\x08\0\0"), "tiff"],
    ["a QuickTime file without a brand", Buffer.concat([box("wide"), box("mdat", "abc")]), "mov"],
    ["an audiobook", fileType("M4B ", "isom"), "m4a"],
    [
      "a movie box that goes on beyond the head, only sound so far",
      Buffer.concat([fileType("isom"), movie("soun", "vide")]).subarray(0, -20),
      "isobmff",
    ],
    ["boxes of no size", Buffer.concat([fileType("isom"), Buffer.alloc(4096)]), "isobmff"],
    [
      "a box that claims 16 exabytes",
      Buffer.concat([fileType("isom"), latin1("\0\0\0\x01moov\xff\xff\xff\xff\xff\xff\xff\xff")]),
      "isobmff",
    ],
    ["a WebM whose tracks are beyond the head", matroska("webm"), "webm"],
    ["Matroska of unknown size", latin1("\x1a\x45\xdf\xa3\xff\x42\x82\x88matroska"), "matroska"],
    ["EBML of another kind", matroska("other", 1), null],
    ["MP3 behind a tag", Buffer.concat([latin1("ID3\x04\0\0\0\0\0\x0a"), Buffer.alloc(10), mp3Frames()]), "mp3"],
    ["MP3 behind a tag that is longer than the head", latin1("ID3\x03\0\0\0\x7f\x7f\x7fTIT2"), "mp3"],
    ["FLAC behind a tag", latin1("ID3\x03\0\0\0\0\0\0fLaC"), "flac"],
    ["WAV behind a tag", Buffer.concat([latin1("ID3\x04\0\0\0\0\0\x0a"), Buffer.alloc(10), heads.wav]), "wav"],
    ["Ogg behind a tag", Buffer.concat([latin1("ID3\x03\0\0\0\0\0\0"), heads["ogg-audio"]]), "ogg-audio"],
    [
      "AIFF behind two tags",
      Buffer.concat([latin1("ID3\x03\0\0\0\0\0\0ID3\x04\0\0\0\0\0\x0a"), Buffer.alloc(10), heads.aiff]),
      "aiff",
    ],
    [
      "one MPEG frame header and then noise",
      Buffer.concat([mp3Frames().subarray(0, 417), Buffer.alloc(400, 0x55)]),
      null,
    ],
    ["a sentence that begins with ID3", Buffer.from("ID3 tags hold the title."), "text"],
    ["a sentence that begins with BM", Buffer.from("BM is short for benchmark, and this is text."), "text"],
    ["a PDF behind a newline", latin1("\r\n%PDF-1.4\n"), "pdf"],
    ["a PDF behind a byte order mark", Buffer.from("\ufeff%PDF-1.4\n"), "pdf"],
    ["a PDF behind zeros", Buffer.concat([Buffer.alloc(600), latin1("%PDF-1.4\n")]), "pdf"],
    [
      "a PDF behind the header of a printer job",
      latin1("\x1b%-12345X@PJL JOB\r\n@PJL ENTER LANGUAGE=PDF\r\n%PDF-1.4\n%\xe2\xe3\n1 0 obj\n"),
      "pdf",
    ],
    ["a PDF behind more than 1,024 bytes", Buffer.concat([Buffer.alloc(1020, "\n"), latin1("%PDF-1.4\n")]), "text"],
    ["a text with the header of a PDF in a line", Buffer.from("It begins with\n%PDF-1.4\nand then objects."), "text"],
    ["a text that names the header of a PDF", Buffer.from("It begins with %PDF-1.4\n1 0 obj\n"), "text"],
    ["SVG in UTF-16", Buffer.from('\ufeff<?xml version="1.0"?><svg/>', "utf16le"), "svg"],
    [
      "SVG with a prefix and an internal subset",
      Buffer.from('<!DOCTYPE x:svg [ <!-- don\'t > --> <!ENTITY a "]>"> ]>\n<x:svg>'),
      "svg",
    ],
    ["HTML that contains an SVG", Buffer.from("<!doctype html><body><svg></svg>"), "html"],
    ["HTML behind a comment", Buffer.from("<!-- hello --><p>text"), "html"],
    ["a log line in brackets", Buffer.from("[2024-01-01] started"), "text"],
    ["a list of objects", Buffer.from('\n[ {"a": 1}, '), "json"],
    ["text whose last character is cut", Buffer.from("Grüße").subarray(0, 3), "text"],
    ["text with a NUL", Buffer.from("a\0b"), null],
  ])("the format of %s is sniffed", (_, head, name) => expect(nameOf(head)).toBe(name));

  test("sniffing finds a format in at most 10 of 20,000 random heads", () => {
    let state = 7;
    const random = () =>
      Uint8Array.from({ length: 64 }, () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 24);
    const hits = Array.from({ length: 20_000 }, random).filter((head) => sniff(head) !== null);
    expect(hits.length).toBeLessThanOrEqual(10);
  });

  test("sniffing never throws, for any bytes or a signature with any bytes after it", () => {
    const anything = fc.uint8Array({ maxLength: 300 });
    const begun = fc
      .tuple(fc.constantFrom(...Object.values(heads)), fc.nat(200), anything)
      .map(([head, kept, rest]) => Buffer.concat([head.subarray(0, kept), rest]));
    fc.assert(
      fc.property(fc.oneof(anything, begun), (head) => void sniff(head)),
      { numRuns: 5000 },
    );
  });

  test.each([
    ["<", "<!--".repeat(100_000)],
    ["doctype", `<!DOCTYPE ${"[".repeat(400_000)}`],
    ["instructions", "<?a?>".repeat(100_000)],
    ["json", `{"${"\\".repeat(400_000)}`],
    ["whitespace", " ".repeat(400_000)],
    ["boxes", `\0\0\0\x18ftypisom\0\0\0\0isomisom${"\0\0\0\x08free".repeat(50_000)}`],
  ])("sniffing a long sequence of %s takes less than 50 ms of CPU time", (_, text) => {
    const head = latin1(text);
    expect(cpuMs(() => sniff(head))).toBeLessThan(50);
  });
});

describe("the declared type decides", () => {
  const longTag = latin1("ID3\x03\0\0\0\x7f\x7f\x7fTIT2");
  const prolog = Buffer.from(`<?xml version="1.0"?><!-- ${"licence ".repeat(5000)}`);

  test.each<[string, Buffer, string | null, FormatName | null]>([
    ["behind a long tag", longTag, "audio/flac", "flac"],
    ["behind a long tag, of an unknown sound", longTag, "audio/x-unheard-of", null],
    ["not, behind a long tag: a picture", longTag, "image/png", "mp3"],
    ["not, behind a long tag, without a type", longTag, null, "mp3"],
    ["of an SVG behind a long comment", prolog, "image/svg+xml", "svg"],
    ["not of a text", Buffer.from("<?xml version='1.0'?><feed/>"), "image/svg+xml", "xml"],
  ])("the declared type decides %s", (_, head, declared, name) => {
    expect(sniffAs(head, declared)?.name ?? null).toBe(name);
  });
});

describe("the media type", () => {
  test.each<[string, FormatName | null, string | null, string, boolean]>([
    ["no header", "png", null, "image/png", false],
    ["the same", "png", "image/png", "image/png", false],
    ["another case, with parameters", "html", "Text/HTML; charset=UTF-8", "text/html", false],
    ["an alias", "jpeg", "image/jpg", "image/jpeg", false],
    ["a generic header", "gif", "application/octet-stream", "image/gif", false],
    ["a page that is a picture", "jpeg", "text/html", "image/jpeg", true],
    ["a picture that is a page", "html", "image/png", "text/html", true],
    ["a picture of another kind", "webp", "image/jpeg", "image/webp", true],
    ["a table of text", "text", "text/csv", "text/csv", false],
    ["JSON of a kind", "json", "application/geo+json", "application/geo+json", false],
    ["JSON called plain", "json", "text/plain", "application/json", false],
    ["text called PDF", "text", "application/pdf", "text/plain", true],
    ["text called a picture", "text", "image/svg+xml", "text/plain", true],
    [
      "an office file",
      "zip",
      "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
      "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
      false,
    ],
    ["a ZIP called JSON", "zip", "application/json", "application/zip", true],
    ["a feed", "xml", "application/rss+xml", "application/rss+xml", false],
    ["a compressed drawing", "gzip", "image/svg+xml", "image/svg+xml", false],
    ["sound in a container whose tracks are not in the head", "isobmff", "audio/mp4", "audio/mp4", false],
    ["video called sound", "mp4", "audio/mp4", "video/mp4", true],
    ["Opus", "ogg-audio", "audio/opus", "audio/ogg", false],
    ["unknown bytes, no header", null, null, "application/octet-stream", false],
    ["unknown bytes, a type without a signature", null, "application/x-own", "application/x-own", false],
    ["unknown bytes called a picture: encrypted, perhaps", null, "image/jpeg", "application/octet-stream", true],
    ["a header that is no media type", null, "<script>", "application/octet-stream", false],
    ["a wildcard", null, "*/*", "application/octet-stream", false],
    ["a name too long", null, `a/${"b".repeat(200)}`, "application/octet-stream", false],
  ])("the media type is decided from bytes and header: %s", (_, name, declared, type, mismatch) => {
    expect(mediaType(name && formatNamed(name), declared)).toEqual({ type, mismatch });
  });

  test("the media type is a lower-case token/token for any header", () => {
    const format = fc.constantFrom(null, ...formats);
    fc.assert(
      fc.property(format, fc.option(fc.string({ unit: "binary" })), (sniffed, declared) => {
        expect(mediaType(sniffed, declared).type).toMatch(/^[a-z0-9!#$%&'*+.^_`|~-]+\/[a-z0-9!#$%&'*+.^_`|~-]+$/);
      }),
    );
  });

  test("no format has its own type as an alias", () => {
    expect(formats.every(({ type, aliases }) => !aliases.includes(type))).toBe(true);
  });
});

describeWith(corpus, "sniffing of real files", () => {
  const rows = corpusRows().filter(({ kind }) => kind !== "malformed");

  test.each(rows)("the sniffed type of $file is $type", (row) => {
    const { type } = mediaType(sniff(corpusBytes(row).subarray(0, sniffBytes)), null);
    expect([row.type, ...(row.acceptableTypes ?? [])]).toContain(type);
  });
});
