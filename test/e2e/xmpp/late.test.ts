import { describe, expect, test } from "vitest";
import { hasProsody, hasSql, type OnFinished, type Prosody, startProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { openScene, type Scene } from "../../support/room.ts";
import { answer, fail, heldBack, type Responder, startStandIn, summit, summitElement } from "../../support/stand-in.ts";
import {
  archiveOf,
  connect,
  type Element,
  isRoomMessage,
  metadataOf,
  oob,
  type Person,
  shapeOf,
  xml,
} from "../../support/xmpp.ts";

const picture = "https://upload.example.net/summit.png";
const partial: Record<string, unknown> = {
  ...summit,
  ...{ blurhash: null, width: null, height: null, thumbhash: null, sha256: null, thumbnail: null, partial: true },
};
const partialElement = { bytes: "15690", type: "image/png" };

interface Late {
  readonly responder: Responder;
  /** Sends the complete metadata to the second request of each URL. */
  readonly release: () => void;
}

/** Answers the first request for each URL with the given responder, and later ones completely, after `release`. */
function lately(first: Responder = ({ url }, response) => answer(response, 200, { ...partial, url })): Late {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const asked = new Set<string>();
  return {
    responder: async (question, response) => {
      if (!asked.has(question.url)) {
        asked.add(question.url);
        return first(question, response);
      }
      await released;
      answer(response, 200, { ...summit, url: question.url });
    },
    release,
  };
}

function namesOf(message: Element): string[] {
  return message.getChildElements().flatMap(({ name }) => (name === "occupant-id" ? [] : name));
}

async function send(person: Person, room: string, id: string, ...children: Element[]): Promise<void> {
  await person.send(xml("message", { to: room, id, type: "groupchat" }, xml("body", {}, picture), ...children));
}

/** Waits until the archive's copy of the only message is as the predicate says; returns it. */
async function archivedWhen(person: Person, place: string, isIt: (copy: Element) => boolean): Promise<Element> {
  let copy: Element | undefined;
  await expect
    .poll(
      async () => {
        copy = (await archiveOf(person, place))[0];
        return copy !== undefined && isIt(copy);
      },
      { interval: 100 },
    )
    .toBe(true);
  return copy!;
}

function isComplete(copy: Element): boolean {
  return metadataOf(copy)[0]?.width === "4096";
}

/** The number of stored copies with this outcome. */
async function settled({ prosody }: Pick<Scene, "prosody">, outcome: string, count = 1): Promise<void> {
  const name = `prosody_mod_muc_media_metadata__late_total`;
  const read = async (): Promise<number> => {
    const lines = (await (await fetch(prosody.metricsUrl)).text()).split("\n");
    const line = lines.find((text) => text.startsWith(`${name}{`) && text.includes(`outcome="${outcome}"`));
    return Number(line?.split(" ").at(-1) ?? 0);
  };
  await expect.poll(read).toBeGreaterThanOrEqual(count);
}

const isWithoutProsody = requires("Prosody", hasProsody());

describe.skipIf(isWithoutProsody)("metadata that comes late", () => {
  test.for<["files" | "sql"]>([["files"], ["sql"]])(
    "the archive in %s gets the complete metadata, and everything else in it stays as it was",
    async ([storage], { onTestFinished, skip }) => {
      if (storage === "sql" && requires("lua-dbi-sqlite3", hasSql())) return skip();
      const { responder, release } = lately();
      const output = ["legacy", "file-metadata", "sims", "sfs"];
      const scene = await openScene(
        onTestFinished,
        responder,
        { output, hosts: ["upload.example.net"] },
        [],
        storage === "sql" ? { storage } : {},
      );
      const { oracle, room, alice, bob } = scene;
      const reply = xml("reply", { xmlns: "urn:xmpp:reply:0", id: "m0" }, xml("a", {}, "é & <b>"));
      await send(alice, room, "m1", oob(picture), reply);
      expect(metadataOf(await bob.hear("m1"))).toEqual([partialElement]);
      await bob.say(room, "m2");
      await bob.hear("m2");
      await oracle.asked(2);
      const before = await archiveOf(bob, room);
      expect(metadataOf(before[0]!)).toEqual([partialElement]);
      release();
      const copy = await archivedWhen(bob, room, isComplete);
      expect(metadataOf(copy)).toEqual([summitElement]);
      expect(namesOf(copy)).toEqual(["body", "x", "reply", "file", "reference", "file-sharing", "sources", "fallback"]);
      expect(shapeOf(copy.getChild("reply")!)).toEqual(shapeOf(before[0]!.getChild("reply")!));
      expect(copy.attrs).toEqual(before[0]!.attrs);
      const after = await archiveOf(bob, room);
      expect(after.map(({ attrs }) => attrs.id)).toEqual(["m1", "m2"]);
      expect(shapeOf(after[1]!)).toEqual(shapeOf(before[1]!));
      expect(oracle.questions[1]).toMatchObject({ url: picture, deadlineMs: 30_000 });
    },
  );

  test("the archive gets metadata that was not known at the deadline", async ({ onTestFinished }) => {
    const { responder, release } = lately(fail(504, "deadline_exceeded"));
    const { room, alice, bob } = await openScene(onTestFinished, responder);
    await send(alice, room, "m1", oob(picture));
    expect(metadataOf(await bob.hear("m1"))).toEqual([null]);
    release();
    expect(metadataOf(await archivedWhen(bob, room, isComplete))).toEqual([summitElement]);
    expect(bob.received.filter((stanza) => isRoomMessage(stanza) && stanza.attrs.id === "m1")).toHaveLength(1);
  });

  test("the archive gets an answer that arrives after the timeout, without a second request", async ({
    onTestFinished,
  }) => {
    const { responder, release } = heldBack();
    const { oracle, room, alice, bob } = await openScene(onTestFinished, responder, { timeout: 0.4 });
    await send(alice, room, "m1", oob(picture));
    expect(metadataOf(await bob.hear("m1"))).toEqual([null]);
    release();
    expect(metadataOf(await archivedWhen(bob, room, isComplete))).toEqual([summitElement]);
    expect(oracle.urls()).toEqual([picture]);
  });

  test("an answer after the timeout that is incomplete leads to a second request", async ({ onTestFinished }) => {
    let releaseFirst = (): void => undefined;
    const released = new Promise<void>((resolve) => (releaseFirst = resolve));
    const second = lately(async ({ url }, response) => {
      await released;
      answer(response, 200, { ...partial, url });
    });
    const { oracle, room, alice, bob } = await openScene(onTestFinished, second.responder, { timeout: 0.4 });
    await send(alice, room, "m1", oob(picture));
    await bob.hear("m1");
    releaseFirst();
    second.release();
    await archivedWhen(bob, room, isComplete);
    expect(oracle.urls()).toEqual([picture, picture]);
  });

  test("the archive gets the metadata of a sender who left before the answer", async ({ onTestFinished }) => {
    const { responder, release } = heldBack();
    const { oracle, room, alice, bob } = await openScene(onTestFinished, responder, { timeout: 5 });
    await send(alice, room, "m1", oob(picture));
    await oracle.asked(1);
    await alice.leave(room, "alice");
    expect(metadataOf(await bob.hear("m1"))).toEqual([null]);
    release();
    await archivedWhen(bob, room, isComplete);
  });

  test("messages of one sender that wait for late metadata are bounded, and keep no other sender's out of the archive", async ({
    onTestFinished,
  }) => {
    const { responder, release } = lately(fail(504, "deadline_exceeded"));
    const { oracle, room, alice, bob } = await openScene(onTestFinished, responder, { max_inflight: 8, max_urls: 1 });
    for (let at = 0; at < 5; at += 1) {
      await send(alice, room, `a${at}`, oob(`${picture}?${at}`));
      await bob.hear(`a${at}`);
    }
    expect(oracle.urls()).toHaveLength(5 + 2);
    await send(bob, room, "b1", oob(picture));
    release();
    await expect
      .poll(async () => (await archiveOf(bob, room)).map(isComplete))
      .toEqual([true, true, false, false, false, true]);
  });

  test("the history for a new occupant has the late metadata", async ({ onTestFinished }) => {
    const { responder, release } = lately();
    const scene = await openScene(onTestFinished, responder);
    await send(scene.alice, scene.room, "m1", oob(picture));
    await scene.bob.hear("m1");
    release();
    await settled(scene, "stored", 2);
    const carol = await connect(onTestFinished, scene.prosody);
    await carol.enter(scene.room, "carol");
    const old = await carol.find("history", (stanza) => isRoomMessage(stanza) && stanza.attrs.id === "m1");
    expect(metadataOf(old)).toEqual([summitElement]);
    expect(old.getChildren("reference")).toHaveLength(1);
    expect(old.getChild("delay", "urn:xmpp:delay")).toBeDefined();
  });

  test("a URL that fails, or whose second answer has nothing new, changes no archive", async ({ onTestFinished }) => {
    const scene = await openScene(onTestFinished, ({ url }, response) => answer(response, 200, { ...partial, url }));
    await send(scene.alice, scene.room, "m1", oob(picture));
    await scene.oracle.asked(2);
    await settled(scene, "unknown");
    const [copy] = await archiveOf(scene.bob, scene.room);
    expect(metadataOf(copy!)).toEqual([partialElement]);
    scene.oracle.responder = fail(502);
    await send(scene.alice, scene.room, "m2", oob(`${picture}?2`));
    await scene.bob.hear("m2");
    expect(scene.oracle.urls()).toHaveLength(3);
  });

  test("with late off, nothing is asked again", async ({ onTestFinished }) => {
    const { responder, release } = lately();
    release();
    const { oracle, room, alice, bob } = await openScene(onTestFinished, responder, { late: "off" });
    await send(alice, room, "m1", oob(picture));
    await send(alice, room, "m2", oob(`${picture}?2`));
    await bob.hear("m2");
    expect(oracle.urls()).toHaveLength(2);
  });

  test.for<[string, (id: string, stanzaId: string) => Element]>([
    ["corrected", (id) => xml("replace", { xmlns: "urn:xmpp:message-correct:0", id })],
    ["retracted", (_id, stanzaId) => xml("retract", { xmlns: "urn:xmpp:message-retract:1", id: stanzaId })],
    [
      "retracted in the older form",
      (id) =>
        xml("apply-to", { xmlns: "urn:xmpp:fasten:0", id }, xml("retract", { xmlns: "urn:xmpp:message-retract:0" })),
    ],
  ])("a message that its sender %s meanwhile is left alone", async ([, change], { onTestFinished }) => {
    const { responder, release } = lately();
    const { oracle, room, alice, bob } = await openScene(onTestFinished, responder);
    await send(alice, room, "m1", oob(picture));
    const stanzaId = (await bob.hear("m1")).getChild("stanza-id")!.attrs.id!;
    await oracle.asked(2);
    await alice.send(
      xml("message", { to: room, id: "m2", type: "groupchat" }, xml("body", {}, "better"), change("m1", stanzaId)),
    );
    await bob.hear("m2");
    release();
    const before = (await archiveOf(bob, room)).map(shapeOf);
    await send(alice, room, "m3", oob(`${picture}?3`));
    await expect.poll(async () => isComplete((await archiveOf(bob, room))[2]!)).toBe(true);
    expect((await archiveOf(bob, room)).slice(0, 2).map(shapeOf)).toEqual(before);
  });

  test("another occupant cannot keep a message's metadata out of the archive by a correction of it", async ({
    onTestFinished,
  }) => {
    const { responder, release } = lately();
    const { oracle, room, alice, bob } = await openScene(onTestFinished, responder);
    await send(alice, room, "m1", oob(picture));
    await oracle.asked(2);
    const replace = xml("replace", { xmlns: "urn:xmpp:message-correct:0", id: "m1" });
    await bob.send(xml("message", { to: room, id: "m2", type: "groupchat" }, xml("body", {}, "forged"), replace));
    await bob.hear("m2");
    release();
    await archivedWhen(bob, room, isComplete);
  });

  test("a tombstone in the archive is left alone", async ({ onTestFinished }) => {
    const { responder, release } = lately();
    const scene = await openScene(onTestFinished, responder, {}, ["tombstones_of_test"]);
    const { oracle, room, alice, bob } = scene;
    await send(alice, room, "m1", oob(picture));
    const stanzaId = (await bob.hear("m1")).getChild("stanza-id")!.attrs.id!;
    await oracle.asked(2);
    await alice.send(
      xml("message", { to: room, id: "m2", type: "groupchat" }, xml("body", {}, `tombstone ${stanzaId}`)),
    );
    await bob.hear("m2");
    release();
    await settled(scene, "changed");
    const [copy] = await archiveOf(bob, room);
    expect(namesOf(copy!)).toEqual(["retracted"]);
  });

  test("the sender's own elements in the archive are left alone", async ({ onTestFinished }) => {
    const { responder, release } = lately();
    const { room, alice, bob } = await openScene(onTestFinished, responder);
    const theirs = xml("file", { xmlns: "urn:xmpp:file:metadata:0" }, xml("size", {}, "1"));
    await send(alice, room, "m1", oob(picture), theirs);
    release();
    const copy = await archivedWhen(bob, room, isComplete);
    expect(namesOf(copy)).toEqual(["body", "x", "file"]);
    expect(copy.getChild("file")!.getChildText("size")).toBe("1");
  });

  test("an operator who unloads the module ends the lookups of late metadata", async ({ onTestFinished }) => {
    const { responder, release } = lately();
    const { prosody, oracle, room, alice, bob } = await openScene(onTestFinished, responder);
    await send(alice, room, "m1", oob(picture));
    await oracle.asked(2);
    await prosody.shell("module:unload('muc_media_metadata', 'rooms.localhost')");
    release();
    const [copy] = await archiveOf(bob, room);
    expect(metadataOf(copy!)).toEqual([partialElement]);
  });

  test("both archives of a one-to-one message get late metadata", async ({ onTestFinished }) => {
    const { responder, release } = lately();
    const { alice, bob } = await openChat(onTestFinished, responder);
    const to = bare(bob.jid);
    await alice.send(xml("message", { to, id: "m1", type: "chat" }, xml("body", {}, picture), oob(picture)));
    const message = await bob.find("m1", ({ attrs }) => attrs.id === "m1");
    expect(metadataOf(message)).toEqual([partialElement]);
    release();
    for (const person of [alice, bob]) {
      const copy = await archivedWhen(person, bare(person.jid), isComplete);
      expect(metadataOf(copy)).toEqual([summitElement]);
      expect(copy.getChildren("reference")).toHaveLength(1);
    }
  });

  test("a one-to-one message that its sender corrects meanwhile is left alone", async ({ onTestFinished }) => {
    const { responder, release } = lately();
    const { oracle, alice, bob } = await openChat(onTestFinished, responder);
    const write = (id: string, url: string, ...more: Element[]): Promise<void> =>
      alice.send(xml("message", { to: bare(bob.jid), id, type: "chat" }, xml("body", {}, url), oob(url), ...more));
    await write("m1", picture);
    await oracle.asked(2);
    await write("m2", `${picture}?2`, xml("replace", { xmlns: "urn:xmpp:message-correct:0", id: "m1" }));
    await oracle.asked(4);
    release();
    const copies = async (): Promise<Element[]> => archiveOf(bob, bare(bob.jid));
    await expect.poll(async () => isComplete((await copies())[1]!)).toBe(true);
    expect(metadataOf((await copies())[0]!)).toEqual([partialElement]);
  });
});

async function openChat(onFinished: OnFinished, responder: Responder) {
  const oracle = await startStandIn(onFinished, responder);
  const prosody: Prosody = await startProsody(onFinished, { module: {}, hostModule: { url: oracle.endpoint } });
  onFinished(() => expect(prosody.errors()).toEqual([]));
  const [alice, bob] = await Promise.all(["alice", "bob"].map((name) => connect(onFinished, prosody, name)));
  await bob!.send(xml("presence"));
  await bob!.find("own presence", ({ name, attrs }) => name === "presence" && attrs.from === bob!.jid);
  return { oracle, alice: alice!, bob: bob! };
}

function bare(jid: string): string {
  return jid.replace(/\/.*/, "");
}
