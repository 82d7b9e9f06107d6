import { describe, expect, test } from "vitest";
import { hasProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { openScene } from "../../support/room.ts";
import { byFile, fail, summitElement } from "../../support/stand-in.ts";
import {
  archiveOf,
  type Element,
  metadataNamespace,
  metadataOf,
  oob,
  roomMessage,
  shapeOf,
  xml,
} from "../../support/xmpp.ts";

const picture = "https://upload.example.net/summit.png";
const encryption = xml("encryption", { xmlns: "urn:xmpp:eme:0", namespace: "eu.siacs.conversations.axolotl" });
const encrypted = xml("encrypted", { xmlns: "eu.siacs.conversations.axolotl" }, xml("payload", {}, "AAAA"));

const encryptedFile = xml(
  "file-sharing",
  { xmlns: "urn:xmpp:sfs:0" },
  xml(
    "sources",
    {},
    xml("encrypted", { xmlns: "urn:xmpp:esfs:0", cipher: "urn:xmpp:ciphers:aes-256-gcm-nopadding:0" }),
  ),
);

function forged(): Element {
  return xml("metadata", { xmlns: metadataNamespace }, xml("bytes", {}, "1"), xml("type", {}, "text/forged"));
}

describe.skipIf(requires("Prosody", hasProsody()))("a hostile sender", () => {
  test("fault 2: forged metadata is removed from every place in the stanza, and does not reach the archive", async ({
    onTestFinished,
  }) => {
    const { room, alice, bob } = await openScene(onTestFinished);
    const deep = xml("a", { xmlns: "urn:example:a" }, xml("b", {}, forged()));
    await alice.send(roomMessage(room, "m1", [forged(), oob(picture, forged(), forged()), deep, forged()]));
    const message = await bob.hear("m1");
    const [archived] = await archiveOf(bob, room);
    for (const copy of [message, archived!]) {
      expect(metadataOf(copy)).toEqual([summitElement]);
      expect(String(copy)).not.toContain("text/forged");
    }
  });

  test.for<[string, number, Element[]]>([
    ["a message without a URL", 0, [forged()]],
    ["one with a URL that is not looked up", 0, [oob("ftp://a.example.net/x", forged())]],
    ["an encrypted one", 0, [oob(picture, forged()), forged(), encryption]],
    ["one that the oracle cannot describe", 1, [oob("https://a.example.net/dead", forged())]],
    ["a change of the subject", 1, [xml("subject", {}, "new"), oob(picture, forged())]],
  ])("fault 2: forged metadata is removed from %s", async ([, asked, children], { onTestFinished }) => {
    const { oracle, room, alice, bob } = await openScene(onTestFinished, byFile({ dead: fail(502) }));
    await alice.send(roomMessage(room, "m1", children));
    const message = await bob.find("m1", ({ attrs }) => attrs.id === "m1");
    const [archived] = await archiveOf(bob, room);
    expect(oracle.urls()).toHaveLength(asked);
    expect(String(message)).not.toContain("text/forged");
    expect(String(archived)).not.toContain("text/forged");
  });

  test.for<[string, Element[]]>([
    ["fault 3: an aesgcm URL", [oob("aesgcm://upload.example.net/a.png#00112233")]],
    ["an encrypted message", [oob(picture), encrypted]],
    ["a message that says it is encrypted", [oob(picture), encryption]],
    ["a message with OpenPGP", [oob(picture), xml("openpgp", { xmlns: "urn:xmpp:openpgp:0" }, "AAAA")]],
    ["a message with legacy OpenPGP", [oob(picture), xml("x", { xmlns: "jabber:x:encrypted" }, "AAAA")]],
    ["a message with an encrypted file", [oob(picture), encryptedFile]],
    ["a URL of another scheme", [oob("ftp://a.example.net/x"), oob("javascript:alert(1)")]],
    ["a URL over 8192 bytes", [oob(`https://a.example.net/${"x".repeat(8192)}`)]],
    ["a text that is no URL", [oob("https://a.example.net/a b"), oob("")]],
    ["a URL in another element", [xml("x", { xmlns: "urn:example:x" }, xml("url", {}, picture))]],
  ])("nothing is looked up for %s, and the message is unchanged", async ([, children], { onTestFinished }) => {
    const { oracle, room, alice, bob } = await openScene(onTestFinished);
    await alice.send(roomMessage(room, "m1", children));
    const message = await bob.hear("m1");
    expect(message.getChildElements().map(shapeOf)).toEqual(expect.arrayContaining(children.map(shapeOf)));
    expect(String(message)).not.toContain(metadataNamespace);
    expect(oracle.urls()).toEqual([]);
  });
});
