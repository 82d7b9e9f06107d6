import { endOfTags } from "./id3.ts";
import { type Format, formats } from "./index.ts";
import { svg } from "./svg.ts";
import { markupIn } from "./text.ts";

/**
 * Maximum bytes of a head to sniff. Signatures need 16; tracks, profiles and prologs before the decisive byte need
 * more. Fits in the first flight of a new connection (RFC 6928: 14,600 bytes, less headers and TLS).
 */
export const sniffBytes = 12 * 1024;

/** Sniffs the format from the first bytes (WHATWG MIME Sniffing); null if unknown. Never throws. */
export function sniff(head: Uint8Array): Format | null {
  const end = endOfTags(head);
  const tagged = end > 0 && end < head.length ? sniffAt(head, end) : null;
  return tagged && tagged.kind !== "text" ? tagged : sniffAt(head, 0);
}

function sniffAt(head: Uint8Array, from: number): Format | null {
  const looked = head.subarray(from, from + sniffBytes);
  const found = formats.find((format) => format.matches(looked));
  return found ?? formats.find((format) => format.matchesBehindJunk?.(looked)) ?? null;
}

/** Decides the format of a file whose tracks lie beyond its first bytes, from its header without the media. */
export function sniffHeader(header: Uint8Array): Format | null {
  return formats.find((format) => format.matches(header)) ?? null;
}

// Enough for two frames of ADTS or of common MP3 files, and for any signature.
const taggedBytes = 4096;

/** The range that shows the format behind an ID3 tag that ends beyond the head; null if the head shows it. */
export function rangeBehindTags(head: Uint8Array): { readonly from: number; readonly to: number } | null {
  const from = endOfTags(head);
  return from > 0 && from + taggedBytes > head.length ? { from, to: from + taggedBytes } : null;
}

/**
 * Sniffs a head of which the decisive bytes may lie behind it: behind an ID3 tag, or behind the comments of an SVG. Then the
 * Content-Type header decides.
 */
export function sniffAs(head: Uint8Array, declaredType: string | null): Format | null {
  const format = sniff(head);
  const declared = parseType(declaredType);
  if (declared?.startsWith("audio/") && endOfTags(head) >= head.length) {
    return formats.find((other) => other.kind === "audio" && namesOf(other).includes(declared)) ?? null;
  }
  const hasProlog = format?.kind === "text" && markupIn(head)?.root === null;
  const isSvg = declared === svg.type || declared === "image/svg";
  return hasProlog && isSvg ? (formats.find(({ name }) => name === "svg") ?? format) : format;
}

const unknownType = "application/octet-stream";

// Default types that servers send for unknown files.
const emptyTypes = new Set([
  unknownType,
  "binary/octet-stream",
  "application/binary",
  "application/download",
  "application/x-download",
  "application/force-download",
  "application/unknown",
  "unknown/unknown",
]);

/** Media types of the formats that sniffing would have recognised. */
const markedTypes = new Set(
  formats
    .filter(({ isSometimesUnmarked }) => !isSometimesUnmarked)
    .flatMap(({ type, aliases }) => [type, ...aliases])
    .filter((type) => !formats.some((format) => format.isSometimesUnmarked && namesOf(format).includes(type))),
);

function namesOf({ type, aliases }: Format): string[] {
  return [type, ...aliases];
}

/** Parses the media type of a Content-Type header: lower case, without parameters; null if it is missing or generic. */
function parseType(declaredType: string | null): string | null {
  const type = (declaredType ?? "").slice(0, 1024).split(";", 1)[0]?.trim().toLowerCase() ?? "";
  // RFC 9110 8.3.1, and the length that RFC 6838 4.2 allows a name.
  if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,127}\/[a-z0-9!#$%&'*+.^_`|~-]{1,127}$/.test(type)) return null;
  return type.includes("*") || emptyTypes.has(type) ? null : type;
}

/** Whether the Content-Type header declares a type that the format can have, a generic one excluded. */
export function declares(format: Format, declaredType: string | null): boolean {
  return parseType(declaredType) !== null && !mediaType(format, declaredType).mismatch;
}

/** Returns the media type of a body of which no byte was received: the declared one, which nothing contradicts. */
export function unseenType(declaredType: string | null): string {
  return parseType(declaredType) ?? unknownType;
}

/**
 * Decides the media type of a body: the sniffed one. The declared type wins only if it is more specific (`text/csv`, an
 * office file in a ZIP), or if sniffing finds nothing and the declared type is one without a signature.
 *
 * @param format as sniffed
 * @param declaredType the Content-Type header as received
 * @returns `mismatch`: the header declares a type that the bytes cannot be
 */
export function mediaType(format: Format | null, declaredType: string | null): { type: string; mismatch: boolean } {
  const declared = parseType(declaredType);
  if (!format) {
    if (declared === null) return { type: unknownType, mismatch: false };
    // Encrypted or broken: without the signature of an image it is not one, despite its header.
    if (markedTypes.has(declared)) return { type: unknownType, mismatch: true };
    return { type: declared, mismatch: false };
  }
  if (declared === null || namesOf(format).includes(declared)) return { type: format.type, mismatch: false };
  // A text is no PDF although both are `application/*`; but the content of a container may be beyond the head.
  const isElsewhere = markedTypes.has(declared) && !mayContain(format, declared);
  if (format.refinedBy?.test(declared) && !isElsewhere) return { type: declared, mismatch: false };
  return { type: format.type, mismatch: true };
}

/** Whether files of the declared type are files of this format too, in which only the head lacks the proof. */
function mayContain({ kind, type }: Format, declared: string): boolean {
  if (kind === "video" || kind === "audio") return true;
  return formats.some((format) => format.type === declared && format.aliases.includes(type));
}
