import type { Metadata } from "./metadata.ts";

/** The requested fields; null means all. */
export type Fields = readonly (keyof Metadata)[] | null;

// Known with the head, even if null or empty.
const knownWithHead: readonly (keyof Metadata)[] = ["type", "filename", "warnings"];

/** Returns the requested fields that are still unknown. */
export function missingIn(metadata: Metadata, fields: NonNullable<Fields>): NonNullable<Fields> {
  return fields.filter((field) => !isKnown(metadata, field));
}

function isKnown(metadata: Metadata, field: keyof Metadata): boolean {
  if (knownWithHead.includes(field)) return true;
  // The source of a declared size is known for good only once the body has been counted.
  return field === "bytesSource" ? metadata.bytesSource === "counted" : metadata[field] !== null;
}

/** Whether all requested fields are known. */
export function isCompleteFor(metadata: Metadata, fields: Fields): boolean {
  return fields !== null && missingIn(metadata, fields).length === 0;
}

/** Whether a lookup for `fields` also serves a request for `needed`. */
export function includes(fields: Fields, needed: Fields): boolean {
  return fields === null || (needed?.every((field) => fields.includes(field)) ?? false);
}
