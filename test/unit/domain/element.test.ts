import { expect, test } from "vitest";
import { metadataElement, outOfBandElement } from "../../../src/domain/element.ts";
import { unknownMetadata } from "../../../src/domain/metadata.ts";

const known = { ...unknownMetadata, bytes: 15690, type: "image/png", blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj" };

test("the element has what is known, in its order, and leaves out the rest", () => {
  expect(metadataElement(known)).toBe(
    '<metadata xmlns="xmpp:prosody.im/protocol/media-metadata#0"><bytes>15690</bytes><type>image/png</type>' +
      "<blurhash>LEHV6nWB2yk8pyo0adR*.7kCMdnj</blurhash></metadata>",
  );
  expect(metadataElement({ ...known, width: 1, height: 2 })).toMatch(
    /<width>1<\/width><height>2<\/height><\/metadata>$/,
  );
});

test("where nothing is known the element has no children, and a stanza no element", () => {
  expect(metadataElement(unknownMetadata)).toBe('<metadata xmlns="xmpp:prosody.im/protocol/media-metadata#0"/>');
  expect(outOfBandElement("https://example.org/", unknownMetadata)).toBe(
    '<x xmlns="jabber:x:oob">\n  <url>https://example.org/</url>\n</x>',
  );
});

test("a type that says nothing is told beside a size", () => {
  expect(metadataElement({ ...unknownMetadata, bytes: 0 })).toContain(
    "<bytes>0</bytes><type>application/octet-stream</type>",
  );
});

test("nothing that an origin or a sender says can end the element", () => {
  const type = "text/x&<b>\"'";
  expect(metadataElement({ ...known, type })).toContain("<type>text/x&amp;&lt;b&gt;&quot;'</type>");
  expect(outOfBandElement('https://example.org/?a&"<', null)).toContain(
    "<url>https://example.org/?a&amp;&quot;&lt;</url>",
  );
});
