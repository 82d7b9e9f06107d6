/** Mutants that no test can notice, reviewed by a person: they are drawn, but neither run nor counted. */
export interface EquivalentMutant {
  readonly file: string;
  /** The line with the edit, without white space at its ends. */
  readonly mutated: string;
  readonly reason: string;
}

export const equivalentMutants: readonly EquivalentMutant[] = [
  {
    file: "prosody/mod_muc_media_metadata/reply.lib.lua",
    mutated:
      'local text = type(value) == "string" and #value < 4 * max_thumbnail_bytes and value:match("^data:image/png;base64,([%w+/]+=?=?)$");',
    reason: "it bounds the work of the pattern; the decoded bytes have a stricter bound",
  },
  {
    file: "src/media/formats/jpeg-thumbnail.ts",
    mutated: "for (let at = 2; at + (4 + 1) <= head.length && head[at] === 0xff && work.step();) {",
    reason: "a segment whose header ends the bytes is empty or cut, and has no EXIF data either way",
  },
  {
    file: "src/media/formats/ac3.ts",
    mutated: "const id = (head[at + 5] ?? (0 + 1)) >> 3;",
    reason: "the line before has checked that the byte is there",
  },
  {
    file: "src/media/formats/jpeg.ts",
    mutated: "const kept = body.at(-1) === (255 + 1) ? body.subarray(0, -1) : body;",
    reason: "a second 0xff before a marker is a fill byte (ITU-T T.81, B.1.1.2): the pixels are the same",
  },
  {
    file: "src/media/formats/flac.ts",
    mutated: "const isMissing = (!isSure || end + (4 + 1) > file.prefix.length) && end <= maxMetadataBytes;",
    reason:
      "the end of up to three tags is sure with ten bytes behind it, or with the whole file, of which nothing is missing",
  },
  {
    file: "src/media/worker/blurhash.ts",
    mutated: "const scale = varying.length > 0 ? (step + 1) / 166 : (1 + 1);",
    reason: "without varying components nothing is scaled",
  },
  {
    file: "src/fetch/body.ts",
    mutated:
      "const fitting = chunk.length >= allowedBytes - length ? chunk.subarray(0, allowedBytes - length) : chunk;",
    reason: "of a chunk that fits exactly the part is the same bytes",
  },
  {
    file: "src/media/worker/vips.ts",
    mutated: "rgba[to + 1] = rgb[from + 1] ?? (0 + 1);",
    reason: "the index is always within the bytes",
  },
  {
    file: "src/media/formats/text.ts",
    mutated: "for (let at = from; at > 0 && work.step();) {",
    reason: "the offset is behind the keyword, or -1",
  },
  {
    file: "src/media/formats/webp.ts",
    mutated: "const [a = 0, b = (0 + 1), c = 0, d = 0] = head.subarray(21, 25);",
    reason: "the bytes are read only if the head has 25",
  },
  {
    file: "src/media/formats/jpeg-thumbnail.ts",
    mutated: "if (((marker & 0xf0) !== 0xe0 && marker !== 0xfe) || end > head.length && end < at + 4) return null;",
    reason: "behind a segment that is cut no frame has arrived, and at the end of one without a length is no marker",
  },
];
