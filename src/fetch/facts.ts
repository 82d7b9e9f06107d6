import type { Metadata } from "../domain/metadata.ts";
import type { Body } from "./body.ts";
import type { Source } from "./source.ts";

/** What the head of the answer says. */
export function declaredBy({ declaredBytes, declaredType, filename }: Source): Partial<Metadata> {
  return {
    bytes: declaredBytes,
    bytesSource: declaredBytes === null ? null : "declared",
    filename,
    ...(declaredType !== null && { type: declaredType }),
  };
}

/** What is told by having read the body to its end, or by why it was not. */
export function countedIn({ bytes, sha256, warning }: Body): Partial<Metadata> {
  const warnings = warning ? [warning] : [];
  if (sha256 === null) return { warnings };
  return { bytes: bytes.byteLength, bytesSource: "counted", sha256, warnings };
}
