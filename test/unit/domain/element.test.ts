import { expect, test } from "vitest";
import { metadataElement, outOfBandElement } from "../../../src/domain/element.ts";
import { unknownMetadata } from "../../../src/domain/metadata.ts";

const known = { ...unknownMetadata, bytes: 15690, type: "image/png", blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj" };

test("the element has the known fields in their order, and omits the others", () => {
  expect(metadataElement(known)).toBe(
    '<metadata xmlns="xmpp:prosody.im/protocol/media-metadata#0"><bytes>15690</bytes><type>image/png</type>' +
      "<blurhash>LEHV6nWB2yk8pyo0adR*.7kCMdnj</blurhash></metadata>",
  );
  expect(metadataElement({ ...known, width: 1, height: 2 })).toMatch(
    /<width>1<\/width><height>2<\/height><\/metadata>$/,
  );
});

test("without metadata the element has no children, and a stanza has no element", () => {
  expect(metadataElement(unknownMetadata)).toBe('<metadata xmlns="xmpp:prosody.im/protocol/media-metadata#0"/>');
  expect(outOfBandElement("https://example.org/", unknownMetadata)).toBe(
    '<x xmlns="jabber:x:oob">\n  <url>https://example.org/</url>\n</x>',
  );
});

test("application/octet-stream is included if the size is known", () => {
  expect(metadataElement({ ...unknownMetadata, bytes: 0 })).toContain(
    "<bytes>0</bytes><type>application/octet-stream</type>",
  );
});

test("text from an origin or a sender cannot end the element (XML injection)", () => {
  const type = "text/x&<b>\"'";
  expect(metadataElement({ ...known, type })).toContain("<type>text/x&amp;&lt;b&gt;&quot;'</type>");
  expect(outOfBandElement('https://example.org/?a&"<', null)).toContain(
    "<url>https://example.org/?a&amp;&quot;&lt;</url>",
  );
});
