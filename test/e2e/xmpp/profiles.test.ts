import { createClient, JXT } from "stanza";
import { describe, expect, test } from "vitest";
import { hasProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { openScene, type Scene } from "../../support/room.ts";
import { hasXmllint, schemaFaults } from "../../support/schemas.ts";
import { answer, byFile, summit, summitElement } from "../../support/stand-in.ts";
import { archiveOf, type Element, metadataOf, oob, xml } from "../../support/xmpp.ts";

const picture = "https://upload.example.net/a/summit.png";
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

function namesOf(elements: readonly Element[]): string[] {
  return elements.map(({ name }) => name);
}

describe.skipIf(requires("Prosody", hasProsody()) || requires("xmllint", hasXmllint()))("the output of a room", () => {
  test("by default a room adds our own element and the file metadata of XEP-0446, in the archive too", async ({
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
    expect(namesOf(addedTo(message, 2))).toEqual(["metadata", "file"]);
    expect(namesOf(addedTo(await post(scene, "m2", [picture, `${picture}?2`]), 3))).toEqual(["metadata", "metadata"]);
  });

  test.for<[string[], string[]]>([
    [["legacy"], ["metadata"]],
    [["file-metadata"], ["file"]],
    [["sims"], ["reference"]],
    [["sfs"], ["file-sharing", "fallback"]],
    [
      ["legacy", "file-metadata", "sims"],
      ["metadata", "file", "reference"],
    ],
    [
      ["legacy", "file-metadata", "sfs"],
      ["metadata", "file", "file-sharing", "fallback"],
    ],
  ])(
    "output %s is valid by the schemas of the XEPs, in at most 1.5 KB a URL",
    async ([output, names], { onTestFinished }) => {
      const clip = { ...summit, type: "video/mp4", durationMs: 63_001, filename: "a & <b>.mp4" };
      const scene = await openScene(
        onTestFinished,
        byFile({ "clip.mp4": ({ url }, response) => answer(response, 200, { ...clip, url }) }),
        { output },
      );
      for (const [id, file] of [
        ["m1", "summit.png"],
        ["m2", "clip.mp4?a=1&b=<%27"],
      ] as const) {
        const added = addedTo(await post(scene, id, [`https://upload.example.net/a/${file}`]), 2);
        expect(namesOf(added)).toEqual(names);
        for (const element of added) expect(schemaFaults(String(element))).toBe("");
        expect(Buffer.byteLength(added.map(String).join(""))).toBeLessThanOrEqual(1536);
      }
    },
  );

  test("a library reads the file of XEP-0234, the hash and the previews from SIMS", async ({ onTestFinished }) => {
    const scene = await openScene(onTestFinished, undefined, { output: ["sims"] });
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
        {
          mediaType: "image/blurhash",
          uri: `data:image/blurhash,${encodeURIComponent(summit.blurhash).replace("*", "%2A")}`,
          width: 4096,
          height: 2160,
        },
      ],
    });
    expect(sharing.getChild("sources")!.getChild("reference")!.attrs.uri).toBe(picture);
  });

  test("no share of XEP-0447 is added if its readers would lose a part of the message", async ({ onTestFinished }) => {
    const scene = await openScene(
      onTestFinished,
      byFile({ partial: ({ url }, response) => answer(response, 200, { ...summit, url, sha256: null }) }),
      { output: ["sfs"] },
    );
    expect(addedTo(await post(scene, "m1", ["https://a.example.net/partial"]), 2)).toEqual([]);
    expect(addedTo(await post(scene, "m2", [picture, "https://a.example.net/partial"]), 3)).toEqual([]);
    await scene.alice.say(scene.room, "m3", picture); // with a text of its own
    expect(addedTo(await scene.bob.hear("m3"), 2)).toEqual([]);
    const both = addedTo(await post(scene, "m4", [picture, `${picture}?2`]), 3);
    expect(both.map(({ name, attrs }) => [name, attrs.id])).toEqual([
      ["file-sharing", "media-1"],
      ["file-sharing", "media-2"],
      ["fallback", undefined],
    ]);
    for (const element of both) expect(schemaFaults(String(element))).toBe("");
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
    const scene = await openScene(onTestFinished, undefined, { output });
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
