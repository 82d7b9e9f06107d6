import { describe, expect, test } from "vitest";
import { hasProsody, type OnFinished, type Prosody, startProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import {
  byFile,
  describeAll,
  heldBack,
  type Responder,
  silence,
  type StandIn,
  startStandIn,
  summitElement,
} from "../../support/stand-in.ts";
import {
  archiveOf,
  connect,
  type Element,
  metadataNamespace,
  metadataOf,
  oob,
  type Person,
  xml,
} from "../../support/xmpp.ts";

const picture = "https://upload.example.net/summit.png";
const slow = "https://upload.example.net/slow.png";
const ping = xml("ping", { xmlns: "urn:xmpp:ping" });

interface Chat {
  readonly prosody: Prosody;
  readonly oracle: StandIn;
  readonly alice: Person;
  readonly bob: Person;
}

/** Two online users with accounts. */
async function openChat(onFinished: OnFinished, responder?: Responder, options = {}): Promise<Chat> {
  const oracle = await startStandIn(onFinished, responder);
  const prosody = await startProsody(onFinished, { module: {}, hostModule: { url: oracle.endpoint, ...options } });
  onFinished(() => {
    if (prosody.errors().length > 0) throw new Error(`logged at level error:\n${prosody.errors().join("\n")}`);
  });
  const [alice, bob] = await Promise.all([login(onFinished, prosody, "alice"), login(onFinished, prosody, "bob")]);
  return { prosody, oracle, alice, bob };
}

async function login(onFinished: OnFinished, prosody: Prosody, username: string): Promise<Person> {
  const person = await connect(onFinished, prosody, username);
  await person.send(xml("presence"));
  await person.find("own presence", ({ name, attrs }) => name === "presence" && attrs.from === person.jid);
  return person;
}

function bare(jid: string): string {
  return jid.replace(/\/.*/, "");
}

function write(from: Person, to: Person, id: string, ...children: Element[]): Promise<void> {
  return from.send(xml("message", { to: bare(to.jid), id, type: "chat" }, xml("body", {}, id), ...children));
}

function got(person: Person, id: string): Promise<Element> {
  return person.find(`message ${id}`, (stanza) => stanza.is("message") && stanza.attrs.id === id);
}

function idsOf(person: Person): (string | undefined)[] {
  return person.received
    .filter((stanza) => stanza.is("message") && stanza.attrs.type === "chat")
    .map(({ attrs }) => attrs.id);
}

describe.skipIf(requires("Prosody", hasProsody()))("a one-to-one message", () => {
  test("a one-to-one message has its metadata, also in both archives and on the sender's other devices", async ({
    onTestFinished,
  }) => {
    const { prosody, alice, bob } = await openChat(onTestFinished);
    const phone = await login(onTestFinished, prosody, "alice");
    await phone.ask(bare(phone.jid), xml("enable", { xmlns: "urn:xmpp:carbons:2" }), "set");
    await write(alice, bob, "m1", oob(picture));
    const message = await got(bob, "m1");
    expect(message.attrs).toMatchObject({ from: alice.jid, type: "chat" });
    expect(metadataOf(message)).toEqual([summitElement]);
    expect(message.getChild("file", "urn:xmpp:file:metadata:0")?.getChildText("width")).toBe("4096");
    for (const person of [alice, bob]) {
      const [archived] = await archiveOf(person, bare(person.jid));
      expect(metadataOf(archived!)).toEqual([summitElement]);
    }
    const carbon = await phone.find(
      "the copy",
      (stanza) => stanza.getChild("sent", "urn:xmpp:carbons:2") !== undefined,
    );
    const copy = carbon
      .getChild("sent", "urn:xmpp:carbons:2")!
      .getChild("forwarded", "urn:xmpp:forward:0")!
      .getChild("message")!;
    expect(metadataOf(copy)).toEqual([summitElement]);
    expect(idsOf(bob)).toEqual(["m1"]);
  });

  test("a waiting message holds back only later messages to the same recipient", async ({ onTestFinished }) => {
    const { responder, release } = heldBack();
    const { prosody, oracle, alice, bob } = await openChat(onTestFinished, byFile({ "slow.png": responder }));
    const carol = await login(onTestFinished, prosody, "carol");
    await write(alice, bob, "m1", oob(slow));
    await write(alice, bob, "m2");
    await oracle.asked(1);
    await write(alice, carol, "c1");
    await got(carol, "c1");
    expect((await alice.ask(prosody.domain, ping)).attrs.type).toBe("result");
    expect(idsOf(bob)).toEqual([]);
    release();
    await got(bob, "m2");
    expect(idsOf(bob)).toEqual(["m1", "m2"]);
    expect((await archiveOf(bob, bare(bob.jid))).map(({ attrs }) => attrs.id)).toEqual(["m1", "m2"]);
  });

  test("a one-to-one message is delivered unchanged at the deadline if the oracle is silent", async ({
    onTestFinished,
  }) => {
    const { alice, bob } = await openChat(onTestFinished, silence, { timeout: 0.5 });
    const started = performance.now();
    await write(alice, bob, "m1", oob(slow));
    expect(metadataOf(await got(bob, "m1"))).toEqual([null]);
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test.for<[string, (chat: Chat) => unknown]>([
    ["its sender's connection is lost", ({ alice }) => alice.vanish()],
    ["the module is unloaded", ({ prosody }) => prosody.shell("module:unload('media_metadata', 'localhost')")],
    ["the module is reloaded", ({ prosody }) => prosody.shell("module:reload('media_metadata', 'localhost')")],
  ])("a waiting message is sent at once when %s", async ([, happen], { onTestFinished }) => {
    const chat = await openChat(onTestFinished, silence, { timeout: 30 });
    const { oracle, alice, bob } = chat;
    await write(alice, bob, "m1", oob(slow));
    await write(alice, bob, "m2");
    await oracle.asked(1);
    await happen(chat);
    await got(bob, "m2");
    expect(idsOf(bob)).toEqual(["m1", "m2"]);
  });

  test("a waiting message to a newly blocked contact is returned, as without the wait", async ({ onTestFinished }) => {
    const { responder, release } = heldBack();
    const { oracle, alice, bob } = await openChat(onTestFinished, responder);
    await write(alice, bob, "m1", oob(slow));
    await oracle.asked(1);
    const item = xml("item", { jid: bare(bob.jid) });
    await alice.ask(bare(alice.jid), xml("block", { xmlns: "urn:xmpp:blocking" }, item), "set");
    release();
    expect(await alice.refusal("m1")).toBe("not-acceptable");
    expect(idsOf(bob)).toEqual([]);
  });

  test("a one-to-one message contains no metadata of the sender's own", async ({ onTestFinished }) => {
    const { oracle, alice, bob } = await openChat(onTestFinished);
    const forged = xml("metadata", { xmlns: metadataNamespace }, xml("type", {}, "text/forged"));
    await write(alice, bob, "m1", forged, oob("ftp://a.example.net/x", forged));
    expect(String(await got(bob, "m1"))).not.toContain("text/forged");
    expect(oracle.urls()).toEqual([]);
  });

  test("an encrypted one-to-one message is not looked up", async ({ onTestFinished }) => {
    const { oracle, alice, bob } = await openChat(onTestFinished, describeAll);
    await write(alice, bob, "m1", oob(picture), xml("encrypted", { xmlns: "eu.siacs.conversations.axolotl" }));
    expect(metadataOf(await got(bob, "m1"))).toEqual([null]);
    expect(oracle.urls()).toEqual([]);
  });
});
