import { describe, expect, test } from "vitest";
import { hasProsody, moduleMetric } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { openScene } from "../../support/room.ts";
import { byFile, heldBack, silence, summitElement } from "../../support/stand-in.ts";
import {
  archiveOf,
  connect,
  connectComponent,
  heardIds,
  metadataOf,
  type Person,
  roomMessage,
  xml,
} from "../../support/xmpp.ts";

const slow = "https://upload.example.net/slow.png";
const quick = "https://upload.example.net/quick.png";
const ping = xml("ping", { xmlns: "urn:xmpp:ping" });

/** Changes a role or an affiliation, as a moderator or an admin (XEP-0045 8.2, 8.4, 9.1). */
async function administer(person: Person, room: string, item: Record<string, string>): Promise<void> {
  const query = xml("query", { xmlns: "http://jabber.org/protocol/muc#admin" }, xml("item", item));
  const { attrs } = await person.ask(room, query, "set");
  expect(attrs.type).toBe("result");
}

describe.skipIf(requires("Prosody", hasProsody()))("while a lookup is under way", () => {
  test("fault 4: the sender's own session, other rooms and other senders are not delayed", async ({
    onTestFinished,
  }) => {
    const { prosody, oracle, room, alice, bob } = await openScene(onTestFinished, silence, { timeout: 30 });
    const other = prosody.room("other");
    await alice.enter(other, "alice");
    await alice.say(room, "slow", slow);
    await oracle.asked(1);
    expect((await alice.ask(prosody.domain, ping)).attrs.type).toBe("result");
    await alice.say(other, "elsewhere");
    await alice.hear("elsewhere");
    await bob.say(room, "bobs");
    await Promise.all([alice.hear("bobs"), bob.hear("bobs")]);
    expect(heardIds(bob)).toEqual(["bobs"]);
  });

  test("a sender's messages keep their order, and other senders overtake, in the room and in the archive", async ({
    onTestFinished,
  }) => {
    const { responder, release } = heldBack();
    const { oracle, room, alice, bob } = await openScene(onTestFinished, byFile({ "slow.png": responder }));
    await alice.say(room, "A1", slow);
    await alice.say(room, "A2");
    await alice.say(room, "A3", quick);
    await alice.say(room, "A4");
    await oracle.asked(2);
    await bob.say(room, "B1");
    await alice.hear("B1");
    release();
    expect(metadataOf(await bob.hear("A3"))).toEqual([summitElement]);
    await Promise.all([bob.hear("A4"), alice.hear("A4")]);
    const order = ["B1", "A1", "A2", "A3", "A4"];
    expect(heardIds(bob)).toEqual(order);
    expect(heardIds(alice)).toEqual(order);
    expect((await archiveOf(alice, room)).map(({ attrs }) => attrs.id)).toEqual(order);
    expect(metadataOf(await bob.hear("A1"))).toEqual([summitElement]);
  });

  test("two devices under one nick count as one sender", async ({ onTestFinished }) => {
    const { responder, release } = heldBack();
    const { prosody, oracle, room, bob } = await openScene(onTestFinished, byFile({ "slow.png": responder }));
    const robot = await connectComponent(onTestFinished, prosody);
    const phone = "robot@bot.localhost/phone";
    await robot.enter(room, "robot");
    const muc = xml("x", { xmlns: "http://jabber.org/protocol/muc" });
    await robot.send(xml("presence", { from: phone, to: `${room}/robot` }, muc));
    await robot.find("the second device in the room", ({ attrs }) => attrs.to === phone && attrs.type === "groupchat");
    await robot.say(room, "photo", slow);
    await oracle.asked(1);
    await robot.send(roomMessage(room, "text", [], phone));
    await bob.say(room, "bobs");
    await bob.hear("bobs");
    release();
    await bob.hear("text");
    expect(heardIds(bob)).toEqual(["bobs", "photo", "text"]);
  });

  test("fault 6: the messages of an external component are annotated, not lost", async ({ onTestFinished }) => {
    const { prosody, room, bob } = await openScene(onTestFinished);
    const robot = await connectComponent(onTestFinished, prosody);
    await robot.enter(room, "robot");
    await robot.say(room, "r1", quick);
    await robot.say(room, "r2");
    const message = await bob.hear("r1");
    expect(message.attrs.from).toBe(`${room}/robot`);
    expect(metadataOf(message)).toEqual([summitElement]);
    await bob.hear("r2");
    expect(heardIds(bob)).toEqual(["r1", "r2"]);
  });

  test.for([
    ["kicked", "none", "not-acceptable"],
    ["muted", "visitor", "forbidden"],
  ] as const)(
    "fault 7: a sender who is %s gets the message back, and the room does not get it",
    async ([, role, condition], { onTestFinished }) => {
      const { responder, release } = heldBack();
      const { prosody, oracle, room, alice, bob } = await openScene(onTestFinished, byFile({ "slow.png": responder }));
      await bob.say(room, "photo", slow);
      await bob.say(room, "text");
      await oracle.asked(1);
      // The reply comes after the text is in the queue: without it, the room itself would refuse the text after the kick.
      expect((await bob.ask(prosody.domain, ping)).attrs.type).toBe("result");
      await administer(alice, room, { nick: "bob", role });
      release();
      expect(await bob.refusal("photo")).toBe(condition);
      expect(await bob.refusal("text")).toBe(condition);
      await alice.say(room, "after");
      await alice.hear("after");
      expect(heardIds(alice)).toEqual(["after"]);
      expect((await archiveOf(alice, room)).map(({ attrs }) => attrs.id)).toEqual(["after"]);
      expect(await moduleMetric(prosody, "messages_total", 'outcome="dropped"')).toBe(2);
    },
  );

  test("fault 7: a message of a sender who is banned, or kicked and back at once, is not delivered", async ({
    onTestFinished,
  }) => {
    const { responder, release } = heldBack();
    const { prosody, oracle, room, alice, bob } = await openScene(onTestFinished, byFile({ "slow.png": responder }));
    const carol = await connect(onTestFinished, prosody);
    await carol.enter(room, "carol");
    await bob.say(room, "bobs", slow);
    await carol.say(room, "carols", slow);
    await oracle.asked(2);
    await administer(alice, room, { jid: bob.jid.replace(/\/.*/, ""), affiliation: "outcast" });
    await administer(alice, room, { nick: "carol", role: "none" });
    await carol.enter(room, "carol2");
    release();
    expect(await bob.refusal("bobs")).toBe("not-acceptable");
    expect(await carol.refusal("carols")).toBe("not-acceptable");
    await carol.say(room, "after");
    await alice.hear("after");
    expect(heardIds(alice)).toEqual(["after"]);
  });

  test("fault 8: a silent oracle delays a message by the deadline and no more", async ({ onTestFinished }) => {
    const { oracle, room, alice, bob } = await openScene(onTestFinished, silence, { timeout: 0.6 });
    const started = performance.now();
    await alice.say(room, "m1", slow);
    expect(metadataOf(await bob.hear("m1"))).toEqual([null]);
    const tookMs = performance.now() - started;
    expect(tookMs).toBeGreaterThan(500);
    expect(tookMs).toBeLessThan(10_000);
    expect(oracle.questions[0]!.deadlineMs).toBe(400);
  });

  test("a late response is ignored", async ({ onTestFinished }) => {
    const { responder, release } = heldBack();
    const { room, alice, bob } = await openScene(onTestFinished, byFile({ "slow.png": responder }), { timeout: 0.3 });
    await alice.say(room, "m1", slow);
    await bob.hear("m1");
    release();
    await alice.say(room, "m2", quick);
    expect(metadataOf(await bob.hear("m2"))).toEqual([summitElement]);
    expect(heardIds(bob)).toEqual(["m1", "m2"]);
    expect(metadataOf(await bob.hear("m1"))).toEqual([null]);
  });

  test("a leaving sender's messages are delivered before the leave", async ({ onTestFinished }) => {
    const { oracle, room, alice, bob } = await openScene(onTestFinished, byFile({ "slow.png": silence }), {
      timeout: 5,
    });
    await bob.say(room, "photo", slow);
    await bob.say(room, "quick", quick);
    await bob.say(room, "text");
    await oracle.asked(2);
    await bob.leave(room, "bob");
    await alice.find("the leave", isLeaveOf(`${room}/bob`));
    expect(heardIds(alice)).toEqual(["photo", "quick", "text"]);
    const leftAt = alice.received.findIndex(isLeaveOf(`${room}/bob`));
    expect(leftAt).toBeGreaterThan(alice.received.indexOf(await alice.hear("text")));
    expect((await archiveOf(alice, room)).map(({ attrs }) => attrs.id)).toEqual(["photo", "quick", "text"]);
  });

  test("with a slow archive the order is kept, and a leaving sender's messages are delivered", async ({
    onTestFinished,
  }) => {
    const { responder, release } = heldBack();
    const { oracle, room, alice, bob } = await openScene(
      onTestFinished,
      byFile({ "slow.png": responder }),
      { timeout: 5 },
      ["slow_archive"],
    );
    for (const id of ["b1", "b2", "b3"]) await bob.say(room, id, slow);
    await oracle.asked(3);
    release();
    for (const id of ["b4", "b5"]) await bob.say(room, id);
    await bob.leave(room, "bob");
    await alice.hear("b5");
    expect(heardIds(alice)).toEqual(["b1", "b2", "b3", "b4", "b5"]);
  });

  test("a message that is lost by another module's fault does not delay the next", async ({ onTestFinished }) => {
    const { responder, release } = heldBack();
    const { oracle, room, alice, bob } = await openScene(onTestFinished, byFile({ "slow.png": responder }), {}, [
      "broken_archive",
    ]);
    await alice.say(room, "broken", slow);
    await alice.say(room, "broken");
    await alice.say(room, "m3", quick);
    await oracle.asked(2);
    release();
    expect(metadataOf(await bob.hear("m3"))).toEqual([summitElement]);
    await alice.say(room, "m4");
    await bob.hear("m4");
    expect(heardIds(bob)).toEqual(["m3", "m4"]);
  });

  test("a disconnected sender's messages are delivered before the leave", async ({ onTestFinished }) => {
    const { oracle, room, alice, bob } = await openScene(onTestFinished, silence, { timeout: 5 });
    await bob.say(room, "photo", slow);
    await bob.say(room, "text");
    await oracle.asked(1);
    bob.vanish();
    await alice.find("the leave", isLeaveOf(`${room}/bob`));
    expect(heardIds(alice)).toEqual(["photo", "text"]);
  });

  test("the messages of a sender whom the room removes as unreachable are delivered before the leave", async ({
    onTestFinished,
  }) => {
    const { prosody, oracle, room, alice } = await openScene(onTestFinished, silence, { timeout: 5 });
    const robot = await connectComponent(onTestFinished, prosody);
    await robot.enter(room, "robot");
    await robot.say(room, "photo", slow);
    await oracle.asked(1);
    const gone = xml("error", { type: "cancel" }, xml("gone", { xmlns: "urn:ietf:params:xml:ns:xmpp-stanzas" }));
    await robot.send(xml("message", { from: robot.jid, to: `${room}/alice`, type: "error" }, gone));
    await alice.find("the leave", isLeaveOf(`${room}/robot`));
    expect(heardIds(alice)).toEqual(["photo"]);
  });

  test("after a nick change a waiting message is delivered under the new nick, in order", async ({
    onTestFinished,
  }) => {
    const { responder, release } = heldBack();
    const { oracle, room, alice, bob } = await openScene(onTestFinished, byFile({ "slow.png": responder }));
    await bob.say(room, "photo", slow);
    await bob.say(room, "text");
    await oracle.asked(1);
    await bob.enter(room, "robert");
    await bob.say(room, "later");
    await alice.say(room, "alices");
    await alice.hear("alices");
    release();
    await alice.hear("later");
    expect(heardIds(alice)).toEqual(["alices", "photo", "text", "later"]);
    const photo = await alice.hear("photo");
    expect(photo.attrs.from).toBe(`${room}/robert`);
    expect(metadataOf(photo)).toEqual([summitElement]);
  });

  test("waiting messages are delivered before a room is destroyed", async ({ onTestFinished }) => {
    const { oracle, room, alice, bob } = await openScene(onTestFinished, silence, { timeout: 5 });
    await bob.say(room, "photo", slow);
    await oracle.asked(1);
    const destroy = xml("query", { xmlns: "http://jabber.org/protocol/muc#owner" }, xml("destroy", {}));
    await alice.ask(room, destroy, "set");
    expect(heardIds(alice)).toEqual(["photo"]);
    await bob.hear("photo");
    expect(heardIds(bob)).toEqual(["photo"]);
  });

  test("above the limit of waiting messages all are delivered at once, unchanged and in order", async ({
    onTestFinished,
  }) => {
    const { oracle, room, alice, bob } = await openScene(onTestFinished, silence, { timeout: 30, max_queue: 4 });
    const ids = ["m1", "m2", "m3", "m4", "m5"];
    const started = performance.now();
    for (const id of ids) await alice.say(room, id, slow);
    await bob.hear("m5");
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(heardIds(bob)).toEqual(ids);
    oracle.responder = byFile({});
    await alice.say(room, "m6", quick);
    expect(metadataOf(await bob.hear("m6"))).toEqual([summitElement]);
  });

  test("above the limit of lookups in flight a message is delivered unchanged", async ({ onTestFinished }) => {
    const { responder, release } = heldBack();
    const { oracle, room, alice, bob } = await openScene(onTestFinished, byFile({ "slow.png": responder }), {
      max_inflight: 1,
      timeout: 5,
    });
    await alice.say(room, "alices", slow);
    await oracle.asked(1);
    await bob.say(room, "bobs", quick);
    expect(metadataOf(await alice.hear("bobs"))).toEqual([null]);
    release();
    expect(metadataOf(await bob.hear("alices"))).toEqual([summitElement]);
    await bob.say(room, "bobs2", quick);
    expect(metadataOf(await alice.hear("bobs2"))).toEqual([summitElement]);
  });
});

function isLeaveOf(occupant: string) {
  return ({ name, attrs }: { name: string; attrs: Readonly<Record<string, string | undefined>> }): boolean =>
    name === "presence" && attrs.from === occupant && attrs.type === "unavailable";
}
