import { type Format, formats } from "./index.ts";

/**
 * Maximum bytes of a head to sniff. Signatures need 16; tracks, profiles and prologs before the decisive byte need
 * more. Fits in the first flight of a new connection (RFC 6928: 14,600 bytes, less headers and TLS).
 */
export const sniffBytes = 12 * 1024;

/** Sniffs the format from the first bytes (WHATWG MIME Sniffing); null if unknown. Never throws. */
export function sniff(head: Uint8Array): Format | null {
  const looked = head.subarray(0, sniffBytes);
  const found = formats.find((format) => format.matches(looked));
  return found ?? formats.find((format) => format.matchesBehindJunk?.(looked)) ?? null;
}

/** Decides the format of a file whose tracks lie beyond its first bytes, from its header without the media. */
export function sniffHeader(header: Uint8Array): Format | null {
  return formats.find((format) => format.matches(header)) ?? null;
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
  const isElsewhere = markedTypes.has(declared) && format.kind !== "video" && format.kind !== "audio";
  if (format.refinedBy?.test(declared) && !isElsewhere) return { type: declared, mismatch: false };
  return { type: format.type, mismatch: true };
}
