import { type Format, formats } from "./index.ts";

/**
 * How many bytes of a head are looked at, at most. Signatures need 16; tracks, profiles and prologs before the telling
 * byte need more. What a fresh connection brings in its first flight (RFC 6928: 14,600 bytes, less headers and TLS).
 */
export const sniffBytes = 12 * 1024;

/** What the bytes are; null where they say nothing. Never throws, whatever they are. */
export function sniff(head: Uint8Array): Format | null {
  const looked = head.subarray(0, sniffBytes);
  return formats.find((format) => format.matches(looked)) ?? null;
}

const unknownType = "application/octet-stream";

// Names that servers give to what they do not know.
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

/** Names of formats that would have been recognised if the bytes were theirs. */
const markedTypes = new Set(
  formats
    .filter(({ isSometimesUnmarked }) => !isSometimesUnmarked)
    .flatMap(({ type, aliases }) => [type, ...aliases])
    .filter((type) => !formats.some((format) => format.isSometimesUnmarked && namesOf(format).includes(type))),
);

function namesOf({ type, aliases }: Format): string[] {
  return [type, ...aliases];
}

/** The media type of a Content-Type header, lower case, without parameters; null where it says nothing. */
function parseType(declaredType: string | null): string | null {
  const type = (declaredType ?? "").slice(0, 1024).split(";", 1)[0]?.trim().toLowerCase() ?? "";
  // RFC 9110 8.3.1, and the length that RFC 6838 4.2 allows a name.
  if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,127}\/[a-z0-9!#$%&'*+.^_`|~-]{1,127}$/.test(type)) return null;
  return type.includes("*") || emptyTypes.has(type) ? null : type;
}

/**
 * The media type of a body: what its bytes are; the header's word only where that adds to what the bytes say
 * (`text/csv`, an office file in a ZIP), or where they say nothing and the header names nothing that has a signature.
 *
 * @param format as sniffed
 * @param declaredType the header as it came
 * @returns `mismatch`: the header names something that the bytes cannot be
 */
export function mediaType(format: Format | null, declaredType: string | null): { type: string; mismatch: boolean } {
  const declared = parseType(declaredType);
  if (!format) {
    if (declared === null) return { type: unknownType, mismatch: false };
    // Encrypted or broken: a picture without a picture's first bytes is none, whatever its header says.
    if (markedTypes.has(declared)) return { type: unknownType, mismatch: true };
    return { type: declared, mismatch: false };
  }
  if (declared === null || namesOf(format).includes(declared)) return { type: format.type, mismatch: false };
  // A text is no PDF although both are `application/*`; but what is in a container may lie beyond the head.
  const isElsewhere = markedTypes.has(declared) && format.kind !== "video" && format.kind !== "audio";
  if (format.refinedBy?.test(declared) && !isElsewhere) return { type: declared, mismatch: false };
  return { type: format.type, mismatch: true };
}
