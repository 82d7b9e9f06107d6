import type { Metadata } from "./metadata.ts";

/** What is needed of the metadata; null: all that can be learnt. */
export type Fields = readonly (keyof Metadata)[] | null;

// Known with the head, also where they are null or empty.
const toldByHead: readonly (keyof Metadata)[] = ["type", "filename", "warnings"];

/** Those that the metadata does not tell. */
export function missingIn(metadata: Metadata, fields: NonNullable<Fields>): NonNullable<Fields> {
  return fields.filter((field) => metadata[field] === null && !toldByHead.includes(field));
}

/** Whether the metadata tells all that is needed, whatever more could be learnt. */
export function tells(metadata: Metadata, fields: Fields): boolean {
  return fields !== null && missingIn(metadata, fields).length === 0;
}

/** Whether what was looked for has all that is needed in it. */
export function includes(fields: Fields, needed: Fields): boolean {
  return fields === null || (needed?.every((field) => fields.includes(field)) ?? false);
}
