import { describe, expect, test } from "vitest";
import { hasProsody, startProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { openScene } from "../../support/room.ts";
import { answer, byFile, describeAll, fail, startStandIn, summit, summitElement } from "../../support/stand-in.ts";
import { archiveOf, connect, isRoomMessage, metadataOf, oob, roomMessage, xml } from "../../support/xmpp.ts";

const picture = "https://upload.example.net/summit.png";

describe.skipIf(requires("Prosody", hasProsody()))("a posted URL in a room", () => {
  test("all occupants, including the sender, get a posted URL with its metadata", async ({ onTestFinished }) => {
    const { room, alice, bob } = await openScene(onTestFinished);
    await alice.say(room, "m1", picture);
    const message = await bob.hear("m1");
    expect(message.attrs).toMatchObject({ from: `${room}/alice`, type: "groupchat", to: bob.jid });
    expect(message.getChildText("body")).toBe("this is m1");
    expect(String(message.getChild("x", "jabber:x:oob"))).toBe(
      `<x xmlns="jabber:x:oob"><url>${picture}</url>` +
        `<metadata xmlns="xmpp:prosody.im/protocol/media-metadata#0"><bytes>15690</bytes><type>image/png</type>` +
        `<blurhash>LEHV6nWB2yk8pyo0adR*.7kCMdnj</blurhash><width>4096</width><height>2160</height></metadata></x>`,
    );
    expect(metadataOf(await alice.hear("m1"))).toEqual([summitElement]);
  });

  test("the archive and the history for a new occupant contain the metadata too", async ({ onTestFinished }) => {
    const { prosody, room, alice } = await openScene(onTestFinished);
    await alice.say(room, "m1", picture);
    await alice.hear("m1");
    const [archived] = await archiveOf(alice, room);
    expect(metadataOf(archived!)).toEqual([summitElement]);
    const carol = await connect(onTestFinished, prosody);
    await carol.enter(room, "carol");
    const old = await carol.find("history", (stanza) => isRoomMessage(stanza) && stanza.attrs.id === "m1");
    expect(old.getChild("delay", "urn:xmpp:delay")).toBeDefined();
    expect(metadataOf(old)).toEqual([summitElement]);
  });

  test("the module's request follows the contract, with the token and a deadline before the room's own", async ({
    onTestFinished,
  }) => {
    const { oracle, room, alice } = await openScene(onTestFinished, describeAll, { token: "s3cret" });
    await alice.say(room, "m1", picture);
    await alice.hear("m1");
    expect(oracle.questions).toHaveLength(1);
    expect(oracle.questions[0]).toMatchObject({ url: picture, deadlineMs: 1800, method: "POST", path: "/metadata" });
    const fields = ["blurhash", "bytes", "durationMs", "filename", "height", "thumbhash", "type", "width"];
    expect(oracle.questions[0]!.fields).toEqual(fields); // of the default outputs
    expect(oracle.questions[0]!.headers).toMatchObject({
      authorization: "Bearer s3cret",
      "content-type": "application/json",
    });
  });

  test("without a token no Authorization header is sent", async ({ onTestFinished }) => {
    const { oracle, room, alice } = await openScene(onTestFinished);
    await alice.say(room, "m1", picture);
    await alice.hear("m1");
    expect(oracle.questions[0]!.headers.authorization).toBeUndefined();
  });

  test("unknown values are omitted, and without any known value there is no element", async ({ onTestFinished }) => {
    const unknown = { bytes: null, blurhash: null, width: null, height: null };
    const { room, alice, bob } = await openScene(
      onTestFinished,
      byFile({
        "talk.mp3": ({ url }, response) =>
          answer(response, 200, { ...summit, ...unknown, url, bytes: 42, type: "audio/mpeg", partial: true }),
        unknown: ({ url }, response) =>
          answer(response, 200, { ...summit, ...unknown, url, type: "application/octet-stream" }),
      }),
    );
    await alice.say(room, "m1", "https://a.example.net/talk.mp3");
    await alice.say(room, "m2", "https://a.example.net/unknown");
    expect(metadataOf(await bob.hear("m1"))).toEqual([{ bytes: "42", type: "audio/mpeg" }]);
    expect(metadataOf(await bob.hear("m2"))).toEqual([null]);
  });

  test("fault 1: one failing URL in a stanza does not lose the metadata of the others", async ({ onTestFinished }) => {
    const { room, alice, bob } = await openScene(
      onTestFinished,
      byFile({
        "dead.png": fail(502),
        "broken.png": (_question, response) => void response.destroy(),
        "slow.png": () => undefined,
      }),
      { timeout: 1 },
    );
    const names = ["dead.png", "summit.png", "broken.png", "slow.png"];
    await alice.say(room, "m1", ...names.map((name) => `https://a.example.net/${name}`));
    expect(metadataOf(await bob.hear("m1"))).toEqual([null, summitElement, null, null]);
  });

  test("a URL that occurs twice in a stanza is looked up once and annotated twice", async ({ onTestFinished }) => {
    const { oracle, room, alice, bob } = await openScene(onTestFinished);
    await alice.say(room, "m1", picture, "https://a.example.net/other.png", picture);
    expect(metadataOf(await bob.hear("m1"))).toEqual([summitElement, summitElement, summitElement]);
    expect(oracle.urls()).toHaveLength(2);
  });

  test("a message with more URLs than the limit is delivered unchanged", async ({ onTestFinished }) => {
    const { oracle, room, alice, bob } = await openScene(onTestFinished);
    const urls = (count: number): string[] => Array.from({ length: count }, (_, at) => `https://a.example.net/${at}`);
    await alice.say(room, "m1", ...urls(5));
    expect(metadataOf(await bob.hear("m1"))).toEqual([null, null, null, null, null]);
    expect(oracle.urls()).toEqual([]);
    await alice.say(room, "m2", ...urls(4));
    expect(metadataOf(await bob.hear("m2"))).toEqual(Array(4).fill(summitElement));
    await alice.say(room, "m3", ...Array<string>(17).fill(picture));
    expect(new Set(metadataOf(await bob.hear("m3")))).toEqual(new Set([null]));
  });

  test("with a list of hosts, only URLs on these hosts are looked up", async ({ onTestFinished }) => {
    const { oracle, room, alice, bob } = await openScene(onTestFinished, describeAll, {
      hosts: ["upload.example.net"],
    });
    await alice.say(room, "m1", "https://elsewhere.example.net/a.png", picture);
    expect(metadataOf(await bob.hear("m1"))).toEqual([null, summitElement]);
    expect(oracle.urls()).toEqual([picture]);
  });

  test("an oracle on an IPv6 address is asked with a Host header that has its brackets", async ({ onTestFinished }) => {
    const oracle = await startStandIn(onTestFinished, describeAll, "::1");
    const prosody = await startProsody(onTestFinished, { module: { url: oracle.endpoint } });
    const alice = await connect(onTestFinished, prosody);
    const room = prosody.room("lounge");
    await alice.enter(room, "alice");
    await alice.say(room, "m1", picture);
    expect(metadataOf(await alice.hear("m1"))).toEqual([summitElement]);
    expect(oracle.questions[0]!.headers.host).toBe(new URL(oracle.endpoint).host);
  });

  test("other children of the stanza and of the out-of-band element stay unchanged", async ({ onTestFinished }) => {
    const { room, alice, bob } = await openScene(onTestFinished);
    const described = oob(picture, xml("desc", {}, "the summit"));
    const reply = xml("reply", { xmlns: "urn:xmpp:reply:0", id: "m0" });
    await alice.send(roomMessage(room, "m1", [described, reply]));
    const message = await bob.hear("m1");
    expect(message.getChild("reply", "urn:xmpp:reply:0")?.attrs.id).toBe("m0");
    expect(message.getChild("x", "jabber:x:oob")?.getChildText("desc")).toBe("the summit");
    expect(metadataOf(message)).toEqual([summitElement]);
  });
});
