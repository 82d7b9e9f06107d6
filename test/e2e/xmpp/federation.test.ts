import { randomInt } from "node:crypto";
import { describe, expect, test } from "vitest";
import { hasProsody, type OnFinished, type Prosody, startProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { byFile, heldBack, type Responder, type StandIn, startStandIn, summitElement } from "../../support/stand-in.ts";
import { archiveOf, connect, heardIds, metadataOf, type Person, xml } from "../../support/xmpp.ts";

const slow = "https://upload.example.net/slow.png";
const quick = "https://upload.example.net/quick.png";
const ping = xml("ping", { xmlns: "urn:xmpp:ping" });

/** An address for this test only: each server needs port 5269, and all of 127.0.0.0/8 is this machine. */
function ownAddress(): string {
  return `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
}

interface Federation {
  readonly near: Prosody;
  readonly far: Prosody;
  readonly oracle: StandIn;
  readonly room: string;
  /** On the room's server. */
  readonly alice: Person;
  /** On the other server. */
  readonly bob: Person;
}

/** Starts two servers that authenticate each other by dialback (XEP-0220), and a room with an occupant of each. */
async function openFederation(onFinished: OnFinished, responder?: Responder): Promise<Federation> {
  const oracle = await startStandIn(onFinished, responder);
  const addresses = { "near.test": ownAddress(), "far.test": ownAddress() };
  const [near, far] = await Promise.all(
    ["near.test", "far.test"].map((domain) =>
      startProsody(onFinished, {
        module: { url: oracle.endpoint, timeout: 10 },
        federation: { domain, addresses },
      }),
    ),
  );
  onFinished(() => {
    const errors = [near!, far!].flatMap((server) => server.errors());
    if (errors.length > 0) throw new Error(`logged at level error:\n${errors.join("\n")}`);
  });
  const [alice, bob] = await Promise.all([connect(onFinished, near!), connect(onFinished, far!)]);
  const room = near!.room("lounge");
  await alice.enter(room, "alice");
  await bob.enter(room, "bob");
  return { near: near!, far: far!, oracle, room, alice, bob };
}

describe.skipIf(requires("Prosody", hasProsody()))("between servers", () => {
  test("the metadata reaches occupants on another server, and their messages are annotated", async ({
    onTestFinished,
  }) => {
    const { room, alice, bob } = await openFederation(onTestFinished);
    await alice.say(room, "a1", quick);
    expect(metadataOf(await bob.hear("a1"))).toEqual([summitElement]);
    await bob.say(room, "b1", quick);
    expect(metadataOf(await alice.hear("b1"))).toEqual([summitElement]);
    expect(metadataOf(await bob.hear("b1"))).toEqual([summitElement]);
  });

  test("fault 5: a slow lookup for a remote sender delays neither the stream nor others, and order is kept", async ({
    onTestFinished,
  }) => {
    const { responder, release } = heldBack();
    const { near, far, oracle, room, alice, bob } = await openFederation(
      onTestFinished,
      byFile({ "slow.png": responder }),
    );
    const carol = await connect(onTestFinished, far);
    await carol.enter(room, "carol");
    const other = near.room("other");
    await bob.enter(other, "bob");
    await bob.say(room, "b1", slow);
    await bob.say(room, "b2");
    await bob.say(room, "b3", quick);
    await oracle.asked(2);
    // All of these come over the same stream as the slow one.
    expect((await bob.ask(near.domain, ping)).attrs.type).toBe("result");
    await carol.say(room, "c1");
    await alice.hear("c1");
    await bob.say(other, "elsewhere");
    await bob.hear("elsewhere");
    expect(heardIds(alice)).toEqual(["c1"]);
    release();
    await alice.hear("b3");
    await carol.hear("b3");
    for (const person of [alice, carol]) expect(heardIds(person)).toEqual(["c1", "b1", "b2", "b3"]);
    expect(metadataOf(await alice.hear("b1"))).toEqual([summitElement]);
    expect((await archiveOf(alice, room)).map(({ attrs }) => attrs.id)).toEqual(["c1", "b1", "b2", "b3"]);
  });

  test("a message is delivered even if its sender's server is lost during the lookup", async ({ onTestFinished }) => {
    const { responder, release } = heldBack();
    const { far, oracle, room, alice, bob } = await openFederation(onTestFinished, byFile({ "slow.png": responder }));
    await bob.say(room, "b1", slow);
    await oracle.asked(1);
    far.process.kill("SIGKILL");
    release();
    expect(metadataOf(await alice.hear("b1"))).toEqual([summitElement]);
  });
});
