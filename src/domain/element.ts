import { type Metadata, unknownMetadata } from "./metadata.ts";

const namespace = "xmpp:prosody.im/protocol/media-metadata#0";

type Known = Pick<Metadata, "bytes" | "type" | "blurhash" | "width" | "height">;

// What XML 1.0 does not allow to stand for itself in text (section 2.4), and quotes for the sake of attributes.
const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Text as it stands in XML. */
export function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? character);
}

/** The children in the order that the element has them; what is unknown is left out, and a type that says nothing beside nothing. */
function childrenOf({ bytes, type, blurhash, width, height }: Known): string[] {
  const isTyped = type !== unknownMetadata.type || [bytes, blurhash, width, height].some((value) => value !== null);
  return Object.entries({ bytes, type: isTyped ? type : null, blurhash, width, height }).flatMap(([name, value]) =>
    value === null ? [] : [`<${name}>${escapeXml(String(value))}</${name}>`],
  );
}

/** `<metadata/>` as chat servers add it to a stanza, in one line; without children where nothing is known. */
export function metadataElement(metadata: Known): string {
  const children = childrenOf(metadata).join("");
  return `<metadata xmlns="${namespace}"${children === "" ? "/>" : `>${children}</metadata>`}`;
}

/**
 * The out-of-band element (XEP-0066) of a stanza as people read it: a line an element, without a line break at the end.
 *
 * @param metadata null gives it as it is sent, before anything was added
 */
export function outOfBandElement(url: string, metadata: Known | null): string {
  const children = metadata ? childrenOf(metadata) : [];
  const added =
    children.length === 0
      ? []
      : [`  <metadata xmlns="${namespace}">`, ...children.map((child) => `    ${child}`), "  </metadata>"];
  return ['<x xmlns="jabber:x:oob">', `  <url>${escapeXml(url)}</url>`, ...added, "</x>"].join("\n");
}
