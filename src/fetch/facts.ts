import type { Metadata } from "../domain/metadata.ts";
import type { Body } from "./body.ts";
import type { Source } from "./source.ts";

/** Returns the declared metadata: from the headers of the response. */
export function declaredBy({ declaredBytes, declaredType, filename }: Source): Partial<Metadata> {
  return {
    bytes: declaredBytes,
    bytesSource: declaredBytes === null ? null : "declared",
    filename,
    ...(declaredType !== null && { type: declaredType }),
  };
}

/** Returns the counted metadata: size and hash if the body was read to its end, else only the warning. */
export function countedIn({ bytes, sha256, warning }: Body): Partial<Metadata> {
  const warnings = warning ? [warning] : [];
  if (sha256 === null) return { warnings };
  return { bytes: bytes.byteLength, bytesSource: "counted", sha256, warnings };
}
