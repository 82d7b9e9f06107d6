import { createClient, JXT } from "stanza";
import { describe, expect, test } from "vitest";
import { hasProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { openScene, type Scene } from "../../support/room.ts";
import { hasXmllint, schemaFaults } from "../../support/schemas.ts";
import { answer, byFile, summit, summitElement } from "../../support/stand-in.ts";
import { archiveOf, type Element, metadataOf, oob, xml } from "../../support/xmpp.ts";

const picture = "https://upload.example.net/a/summit.png";
const uploadHost = "upload.example.net";
const sha256 = "NdpqDTXaag012moNNdpqDTXaag012moNNdpqDTXaag0=";

const ofRoom = new Set(["occupant-id", "stanza-id"]);

/** Sends a message of only these URLs. */
async function post({ alice, bob, room }: Scene, id: string, urls: readonly string[], ...more: Element[]) {
  const body = xml("body", {}, urls.join("\n"));
  await alice.send(xml("message", { to: room, id, type: "groupchat" }, body, ...urls.map((url) => oob(url)), ...more));
  return bob.hear(id);
}

/** Returns the elements that the room added: after the first `children`, and inside the out-of-band elements. */
function addedTo(message: Element, children: number): Element[] {
  const all = message.getChildElements();
  const metadata = message.getChildren("x", "jabber:x:oob").flatMap((x) => x.getChildElements().slice(1));
  return [...metadata, ...all.slice(children).filter(({ name }) => !ofRoom.has(name))];
}

/** Parses a reference as Smack's ReferenceProvider does: the whole message is lost if this throws. */
function parseAsSmack({ attrs }: Element): Record<string, unknown> {
  const integer = (text: string | undefined): number | null => {
    if (text === undefined) return null;
    if (!/^-?\d{1,9}$/.test(text)) throw new Error(`NumberFormatException: ${text}`);
    return Number(text);
  };
  const [begin, end] = [integer(attrs.begin), integer(attrs.end)];
  if ((begin ?? 0) < 0 || (end ?? 0) < 0) throw new Error("IllegalArgumentException: negative");
  if (begin !== null && end !== null && begin >= end) throw new Error("IllegalArgumentException: begin >= end");
  if (attrs.type !== "data" && attrs.type !== "mention") throw new Error("IllegalArgumentException: type");
  return { begin, end, type: attrs.type, uri: attrs.uri ?? null };
}

function namesOf(elements: readonly Element[]): string[] {
  return elements.map(({ name }) => name);
}

describe.skipIf(requires("Prosody", hasProsody()) || requires("xmllint", hasXmllint()))("the output of a room", () => {
  test("by default a room adds our own element, file metadata (XEP-0446) and SIMS (XEP-0385), in the archive too", async ({
    onTestFinished,
  }) => {
    const scene = await openScene(onTestFinished);
    const message = await post(scene, "m1", [picture]);
    const [archived] = await archiveOf(scene.bob, scene.room);
    for (const copy of [message, archived!]) {
      expect(metadataOf(copy)).toEqual([summitElement]);
      const words = copy.getChild("file", "urn:xmpp:file:metadata:0")!.getChildElements();
      expect(words.map((word) => [word.name, word.text()])).toEqual([
        ["media-type", "image/png"],
        ["name", "summit.png"],
        ["size", "15690"],
        ["width", "4096"],
        ["height", "2160"],
        ["hash", sha256],
      ]);
      expect(words.at(-1)!.attrs).toEqual({ xmlns: "urn:xmpp:hashes:2", algo: "sha-256" });
    }
    expect(namesOf(addedTo(message, 2))).toEqual(["metadata", "file", "reference"]);
    const two = await post(scene, "m2", [picture, `${picture}?2`]);
    expect(namesOf(addedTo(two, 3))).toEqual(["metadata", "metadata", "reference", "reference"]);
    const twice = await post(scene, "m3", [picture, picture]);
    expect(namesOf(addedTo(twice, 3))).toEqual(["metadata", "metadata", "file", "reference"]);
  });

  test.for<[string[], string[]]>([
    [["legacy"], ["metadata"]],
    [["file-metadata"], ["file"]],
    [["sims"], ["reference"]],
    [["sfs"], ["file-sharing", "sources", "fallback"]],
    [
      ["legacy", "file-metadata", "sims"],
      ["metadata", "file", "reference"],
    ],
    [
      ["legacy", "file-metadata", "sims", "sfs"],
      ["metadata", "file", "reference", "file-sharing", "sources", "fallback"],
    ],
  ])(
    "output %s is valid by the schemas of the XEPs, in at most 3 KB a URL",
    async ([output, names], { onTestFinished }) => {
      const clip = { ...summit, type: "video/mp4", durationMs: 63_001, filename: "a & <b>.mp4" };
      const scene = await openScene(
        onTestFinished,
        byFile({ "clip.mp4": ({ url }, response) => answer(response, 200, { ...clip, url }) }),
        { output, hosts: [uploadHost] },
      );
      for (const [id, file] of [
        ["m1", "summit.png"],
        ["m2", "clip.mp4?a=1&b=<%27"],
      ] as const) {
        const added = addedTo(await post(scene, id, [`https://upload.example.net/a/${file}`]), 2);
        expect(namesOf(added)).toEqual(names);
        for (const element of added) expect(schemaFaults(String(element))).toBe("");
        expect(Buffer.byteLength(added.map(String).join(""))).toBeLessThanOrEqual(3072);
      }
    },
  );

  test("a library reads the file of XEP-0234, the hash and the ThumbHash from SIMS", async ({ onTestFinished }) => {
    const scene = await openScene(onTestFinished, undefined, { output: ["sims"], hosts: [uploadHost] });
    const sharing = (await post(scene, "m1", [picture])).getChild("reference")!.getChild("media-sharing")!;
    const { stanzas } = createClient({});
    expect(stanzas.import(JXT.parse(String(sharing.getChild("file"))))).toEqual({
      mediaType: "image/png",
      name: "summit.png",
      size: 15690,
      hashes: [{ algorithm: "sha-256", value: Buffer.from(summit.sha256, "hex"), version: "2" }],
      thumbnails: [
        {
          mediaType: "image/thumbhash",
          uri: `data:image/thumbhash;base64,${summit.thumbhash}`,
          width: 4096,
          height: 2160,
        },
      ],
    });
    expect(sharing.getChild("sources")!.getChild("reference")!.attrs.uri).toBe(picture);
  });

  test.for(["short", "\u{1f3d4}\ufe0f Höhenweg, été 🗻", "e\u0301\n\u{1f469}\u200d\u{1f4bb}"])(
    "the references of SIMS cover one character behind the body %j, and parse as in Smack",
    async (text, { onTestFinished }) => {
      const { alice, bob, room } = await openScene(onTestFinished);
      const body = xml("body", {}, `${text} ${picture}`);
      await alice.send(xml("message", { to: room, id: "m1", type: "groupchat" }, body, oob(picture)));
      const message = await bob.hear("m1");
      const outer = message.getChild("reference", "urn:xmpp:reference:0")!;
      const inner = outer.getChild("media-sharing", "urn:xmpp:sims:1")!.getChild("sources")!.getChild("reference")!;
      const begin = Buffer.byteLength(`${text} ${picture}`);
      expect(parseAsSmack(outer)).toEqual({ begin, end: begin + 1, type: "data", uri: null });
      expect(parseAsSmack(inner)).toEqual({ begin, end: begin + 1, type: "data", uri: picture });
      expect(outer.getChildElements().map(({ name }) => name)).toEqual(["by-server", "media-sharing"]);
      expect(outer.attrs.anchor).toBeUndefined();
    },
  );

  test("no SIMS is added to a message without a body, or with an out-of-band text that is not exactly the URL", async ({
    onTestFinished,
  }) => {
    const { alice, bob, room } = await openScene(onTestFinished, undefined, { output: ["legacy", "sims"] });
    const send = async (id: string, ...children: Element[]): Promise<Element> => {
      await alice.send(xml("message", { to: room, id, type: "groupchat" }, ...children));
      return bob.hear(id);
    };
    expect(namesOf(addedTo(await send("m1", oob(picture)), 1))).toEqual(["metadata"]);
    expect(namesOf(addedTo(await send("m2", xml("body", {}, picture), oob(` ${picture}\n`)), 2))).toEqual(["metadata"]);
  });

  test("a hash is added to SIMS and XEP-0447 only for files on upload hosts and named hosts", async ({
    onTestFinished,
  }) => {
    const elsewhere = "https://elsewhere.example.net/a.png";
    const scene = await openScene(onTestFinished, undefined, { output: ["sims", "sfs"] });
    const message = await post(scene, "m1", [elsewhere]);
    expect(namesOf(addedTo(message, 2))).toEqual(["reference"]);
    expect(String(message)).not.toContain("urn:xmpp:hashes:2");
    expect(scene.oracle.questions[0]!.fields).not.toContain("sha256");
    const named = await openScene(onTestFinished, undefined, { output: ["sims", "sfs"], hosts: [uploadHost] });
    const trusted = await post(named, "m1", [picture]);
    expect(namesOf(addedTo(trusted, 2))).toEqual(["reference", "file-sharing", "sources", "fallback"]);
    expect(String(trusted).split(sha256)).toHaveLength(3);
    expect(named.oracle.questions[0]!.fields).toContain("sha256");
  });

  test("no share of XEP-0447 is added if its readers would lose a part of the message", async ({ onTestFinished }) => {
    const scene = await openScene(
      onTestFinished,
      byFile({ partial: ({ url }, response) => answer(response, 200, { ...summit, url, sha256: null }) }),
      { output: ["sfs"], hosts: [uploadHost] },
    );
    expect(addedTo(await post(scene, "m1", [`https://${uploadHost}/partial`]), 2)).toEqual([]);
    expect(addedTo(await post(scene, "m2", [picture, `${picture}?2`]), 3)).toEqual([]);
    await scene.alice.say(scene.room, "m3", picture); // with a text of its own
    expect(addedTo(await scene.bob.hear("m3"), 2)).toEqual([]);
  });

  test("a share of XEP-0447 has its sources inside and beside it, and a PNG thumbnail, as Dino reads them", async ({
    onTestFinished,
  }) => {
    const scene = await openScene(onTestFinished, undefined, { output: ["sfs"], hosts: [uploadHost] });
    const message = await post(scene, "m1", [picture]);
    const share = message.getChild("file-sharing", "urn:xmpp:sfs:0")!;
    const beside = message.getChild("sources", "urn:xmpp:sfs:0")!;
    expect(share.attrs.id).toBe(beside.attrs.id);
    expect(share.attrs.disposition).toBeUndefined();
    for (const sources of [share.getChild("sources")!, beside]) {
      expect(sources.getChildElements().map(({ attrs }) => attrs.target)).toEqual([picture]);
    }
    const file = share.getChild("file")!;
    expect([file.getChildText("media-type"), file.getChildText("media_type")]).toEqual(["image/png", "image/png"]);
    const thumbnail = file.getChild("thumbnail", "urn:xmpp:thumbs:1")!;
    expect(thumbnail.attrs).toMatchObject({ "media-type": "image/png", uri: summit.thumbnail });
  });

  test.for<[string, Element]>([
    ["the sources of Dino's second message", xml("sources", { xmlns: "urn:xmpp:sfs:0", id: "a" })],
    ["an attachment", xml("attach-to", { xmlns: "urn:xmpp:message-attaching:1", id: "m0" })],
    ["Kaidan's fallback", xml("fallback", { xmlns: "urn:xmpp:fallback:0", for: "urn:xmpp:sfs:0" })],
  ])("a message with %s gets no second share, and the other outputs", async ([, theirs], { onTestFinished }) => {
    const output = ["legacy", "file-metadata", "sims", "sfs"];
    const scene = await openScene(onTestFinished, undefined, { output, hosts: [uploadHost] });
    const message = await post(scene, "m1", [picture], theirs);
    expect(namesOf(addedTo(message, 3))).toEqual(["metadata", "file", "reference"]);
  });

  test.for<[string, Element]>([
    [
      "SIMS",
      xml(
        "reference",
        { xmlns: "urn:xmpp:reference:0", type: "data" },
        xml(
          "media-sharing",
          { xmlns: "urn:xmpp:sims:1" },
          xml("sources", {}, xml("reference", { xmlns: "urn:xmpp:reference:0", type: "data", uri: picture })),
        ),
      ),
    ],
    [
      "XEP-0447",
      xml(
        "file-sharing",
        { xmlns: "urn:xmpp:sfs:0" },
        xml("sources", {}, xml("url-data", { xmlns: "http://jabber.org/protocol/url-data", target: picture })),
      ),
    ],
    ["XEP-0446", xml("file", { xmlns: "urn:xmpp:file:metadata:0" }, xml("size", {}, "1"))],
  ])("the room adds no duplicate of the sender's own %s", async ([, theirs], { onTestFinished }) => {
    const output = ["legacy", "file-metadata", "sims", "sfs"];
    const scene = await openScene(onTestFinished, undefined, { output, hosts: [uploadHost] });
    const message = await post(scene, "m1", [picture], theirs);
    expect(namesOf(addedTo(message, 3))).toEqual(["metadata"]);
  });

  test("a room adds nothing to an encrypted message, with any output", async ({ onTestFinished }) => {
    const output = ["legacy", "file-metadata", "sims", "sfs"];
    const scene = await openScene(onTestFinished, undefined, { output });
    const encrypted = xml("encrypted", { xmlns: "eu.siacs.conversations.axolotl" });
    expect(addedTo(await post(scene, "m1", [picture], encrypted), 3)).toEqual([]);
    expect(scene.oracle.urls()).toEqual([]);
  });

  test.for([
    ["a control character", "a\u0007b.png"],
    ["a character that XML forbids", "a\uffffb.png"],
    ["a path", "../../etc/passwd"],
    ["the end of a CDATA section", "]]>&<x>'.png", "]]>&<x>'.png"],
    ["nothing but markup", "</name></file></message>"],
    ["a very long name", "x".repeat(5000)],
    ["a number", 5],
  ] as const)("added elements are safe with %s as the file's name", async ([, filename, name], { onTestFinished }) => {
    const output = ["file-metadata", "sims"];
    const scene = await openScene(
      onTestFinished,
      ({ url }, response) => answer(response, 200, { ...summit, url, filename, durationMs: 1e300, thumbhash: "<>" }),
      { output },
    );
    const message = await post(scene, "m1", [picture]);
    const file = message.getChild("file", "urn:xmpp:file:metadata:0")!;
    expect(file.getChildText("size")).toBe("15690");
    expect(file.getChildText("name")).toBe(name ?? null);
    expect(file.getChild("length")).toBeUndefined();
    for (const element of addedTo(message, 2)) expect(schemaFaults(String(element))).toBe("");
    await post(scene, "m2", [picture]); // the connection is still there, and the oracle is still asked
    expect(scene.oracle.urls()).toHaveLength(2);
  });
});
