import { type Metadata, unknownMetadata } from "./metadata.ts";

const namespace = "xmpp:prosody.im/protocol/media-metadata#0";

type Known = Pick<Metadata, "bytes" | "type" | "blurhash" | "width" | "height">;

// The characters that XML 1.0 (2.4) forbids in text, and quotes for attributes.
const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Escapes text for XML. */
export function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? character);
}

/** The child elements in their fixed order, without unknown values, and without the unknown type if it would be the only child. */
function childrenOf({ bytes, type, blurhash, width, height }: Known): string[] {
  const isTyped = type !== unknownMetadata.type || [bytes, blurhash, width, height].some((value) => value !== null);
  return Object.entries({ bytes, type: isTyped ? type : null, blurhash, width, height }).flatMap(([name, value]) =>
    value === null ? [] : [`<${name}>${escapeXml(String(value))}</${name}>`],
  );
}

/** Returns `<metadata/>` as chat servers add it to a stanza, in one line; without children if nothing is known. */
export function metadataElement(metadata: Known): string {
  const children = childrenOf(metadata).join("");
  return `<metadata xmlns="${namespace}"${children === "" ? "/>" : `>${children}</metadata>`}`;
}

/**
 * Formats the out-of-band element (XEP-0066) of a stanza for people: one line per element, no line break at the end.
 *
 * @param metadata null returns the element as sent, without metadata
 */
export function outOfBandElement(url: string, metadata: Known | null): string {
  const children = metadata ? childrenOf(metadata) : [];
  const added =
    children.length === 0
      ? []
      : [`  <metadata xmlns="${namespace}">`, ...children.map((child) => `    ${child}`), "  </metadata>"];
  return ['<x xmlns="jabber:x:oob">', `  <url>${escapeXml(url)}</url>`, ...added, "</x>"].join("\n");
}
