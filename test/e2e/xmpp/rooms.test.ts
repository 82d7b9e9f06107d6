import { describe, expect, test } from "vitest";
import { hasProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { openScene, type Scene } from "../../support/room.ts";
import { byFile, heldBack, summitElement } from "../../support/stand-in.ts";
import { connect, type Element, metadataNamespace, metadataOf, oob, type Person, xml } from "../../support/xmpp.ts";

const picture = "https://upload.example.net/summit.png";
const slow = "https://upload.example.net/slow.png";
const roomOption = "{xmpp:prosody.im}muc#roomconfig_media_metadata";
const owner = "http://jabber.org/protocol/muc#owner";

/** XEP-0045 10.2: the owner's form with one field changed. */
async function configure(person: Person, room: string, field: string, value: string): Promise<void> {
  const form = xml(
    "x",
    { xmlns: "jabber:x:data", type: "submit" },
    xml("field", { var: "FORM_TYPE" }, xml("value", {}, "http://jabber.org/protocol/muc#roomconfig")),
    xml("field", { var: field }, xml("value", {}, value)),
  );
  expect((await person.ask(room, xml("query", { xmlns: owner }, form), "set")).attrs.type).toBe("result");
}

async function formFieldOf(person: Person, room: string): Promise<Element> {
  const form = await person.ask(room, xml("query", { xmlns: owner }));
  const fields = form.getChild("query", owner)!.getChild("x", "jabber:x:data")!.getChildren("field");
  return fields.find(({ attrs }) => attrs.var === roomOption)!;
}

/** Queries service discovery (XEP-0030): whether the feature is listed, and the value in the room's info, if any. */
async function discover(person: Person, jid: string): Promise<{ isFeature: boolean; value: string | null }> {
  const namespace = "http://jabber.org/protocol/disco#info";
  const answer = await person.ask(jid, xml("query", { xmlns: namespace }));
  const query = answer.getChild("query", namespace)!;
  const fields = query.getChild("x", "jabber:x:data")?.getChildren("field") ?? [];
  return {
    isFeature: query.getChildren("feature").some(({ attrs }) => attrs.var === metadataNamespace),
    value: fields.find(({ attrs }) => attrs.var === roomOption)?.getChildText("value") ?? null,
  };
}

function whisper({ alice, room }: Scene, id: string, ...children: Element[]): Promise<void> {
  return alice.send(xml("message", { to: `${room}/bob`, id, type: "chat" }, xml("body", {}, id), ...children));
}

function heard(person: Person, id: string): Promise<Element> {
  return person.find(`message ${id}`, (stanza) => stanza.is("message") && stanza.attrs.id === id);
}

describe.skipIf(requires("Prosody", hasProsody()))("a room's owners", () => {
  test("owners see the setting for URL lookups in the room's form, and switch it off and on", async ({
    onTestFinished,
  }) => {
    const { oracle, room, alice, bob } = await openScene(onTestFinished);
    expect((await formFieldOf(alice, room)).attrs.type).toBe("boolean");
    expect((await formFieldOf(alice, room)).getChildText("value")).toBe("1");
    await configure(alice, room, roomOption, "0");
    expect((await formFieldOf(alice, room)).getChildText("value")).toBe("0");
    await alice.say(room, "m1", picture);
    expect(metadataOf(await bob.hear("m1"))).toEqual([null]);
    expect(oracle.urls()).toEqual([]);
    await configure(alice, room, roomOption, "1");
    await alice.say(room, "m2", picture);
    expect(metadataOf(await bob.hear("m2"))).toEqual([summitElement]);
  });

  test("the setting stays unchanged when an owner changes another one", async ({ onTestFinished }) => {
    const { room, alice, bob } = await openScene(onTestFinished);
    await configure(alice, room, roomOption, "0");
    await configure(alice, room, "muc#roomconfig_roomname", "The summit");
    await alice.say(room, "m1", picture);
    expect(metadataOf(await bob.hear("m1"))).toEqual([null]);
  });

  test("after switching it off, forged metadata is still removed, and waiting messages still come first", async ({
    onTestFinished,
  }) => {
    const { responder, release } = heldBack();
    const { oracle, room, alice, bob } = await openScene(onTestFinished, byFile({ "slow.png": responder }));
    await alice.say(room, "m1", slow);
    await oracle.asked(1);
    await configure(alice, room, roomOption, "0");
    const forged = xml("metadata", { xmlns: metadataNamespace }, xml("type", {}, "text/forged"));
    await alice.send(xml("message", { to: room, id: "m2", type: "groupchat" }, oob(picture, forged)));
    release();
    expect(metadataOf(await bob.hear("m2"))).toEqual([null]);
    expect(bob.received.indexOf(await bob.hear("m1"))).toBeLessThan(bob.received.indexOf(await bob.hear("m2")));
    expect(oracle.urls()).toEqual([slow]);
  });

  test("service discovery shows the owners' setting", async ({ onTestFinished }) => {
    const { room, alice, bob } = await openScene(onTestFinished);
    expect(await discover(bob, room)).toEqual({ isFeature: true, value: "1" });
    expect(await discover(bob, room.replace(/.*@/, ""))).toEqual({ isFeature: true, value: null });
    await configure(alice, room, roomOption, "0");
    expect(await discover(bob, room)).toEqual({ isFeature: false, value: "0" });
  });
});

describe.skipIf(requires("Prosody", hasProsody()))("a private message in a room", () => {
  test("a private message is not looked up by default", async ({ onTestFinished }) => {
    const scene = await openScene(onTestFinished);
    await whisper(scene, "m1", oob(picture));
    expect(metadataOf(await heard(scene.bob, "m1"))).toEqual([null]);
    expect(scene.oracle.urls()).toEqual([]);
  });

  test("a private message has its metadata if the operator enables it, in the sender's order", async ({
    onTestFinished,
  }) => {
    const { responder, release } = heldBack();
    const scene = await openScene(onTestFinished, byFile({ "slow.png": responder }), { private: true });
    const { room, alice, bob, oracle } = scene;
    const forged = xml("metadata", { xmlns: metadataNamespace }, xml("type", {}, "text/forged"));
    await whisper(scene, "m1", oob(slow, forged));
    await alice.say(room, "m2");
    await oracle.asked(1);
    await bob.say(room, "b1");
    await bob.hear("b1");
    release();
    const message = await heard(bob, "m1");
    await bob.hear("m2");
    expect(message.attrs).toMatchObject({ from: `${room}/alice`, to: bob.jid, type: "chat" });
    expect(message.getChild("x", "http://jabber.org/protocol/muc#user")).toBeDefined();
    expect(metadataOf(message)).toEqual([summitElement]);
    expect(bob.received.indexOf(message)).toBeLessThan(bob.received.indexOf(await bob.hear("m2")));
  });

  test("a waiting private message is returned if its recipient leaves", async ({ onTestFinished }) => {
    const { responder, release } = heldBack();
    const scene = await openScene(onTestFinished, responder, { private: true });
    await whisper(scene, "m1", oob(slow));
    await scene.oracle.asked(1);
    await scene.bob.leave(scene.room, "bob");
    release();
    expect(await scene.alice.refusal("m1")).toBe("item-not-found");
  });

  test("a private message from outside the room is refused without a lookup", async ({ onTestFinished }) => {
    const scene = await openScene(onTestFinished, undefined, { private: true });
    const carol = await connect(onTestFinished, scene.prosody);
    await whisper({ ...scene, alice: carol }, "m1", oob(picture));
    expect(await carol.refusal("m1")).toBe("not-acceptable");
    expect(scene.oracle.urls()).toEqual([]);
  });

  test("a private message is not looked up in a room with lookups switched off", async ({ onTestFinished }) => {
    const scene = await openScene(onTestFinished, undefined, { private: true });
    await configure(scene.alice, scene.room, roomOption, "0");
    await whisper(scene, "m1", oob(picture));
    expect(metadataOf(await heard(scene.bob, "m1"))).toEqual([null]);
    expect(scene.oracle.urls()).toEqual([]);
  });
});
