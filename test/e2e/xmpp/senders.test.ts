import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { makeCertificates, startTlsOrigin } from "../../support/origin.ts";
import { hasProsody, moduleMetric, type Prosody, startProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { openScene } from "../../support/room.ts";
import { byFile, fail, type Responder, silence, startStandIn, summitElement } from "../../support/stand-in.ts";
import { connect, heardIds, metadataOf, type Person } from "../../support/xmpp.ts";

const picture = "https://upload.example.net/summit.png";
const bomb = "https://attacker.example.net/bomb.pdf";

type OnFinished = Parameters<typeof connect>[0];

/** Each is a different sender: every anonymous login has its own account. */
async function enterMany(onFinished: OnFinished, prosody: Prosody, room: string, count: number): Promise<Person[]> {
  const people = await Promise.all(Array.from({ length: count }, () => connect(onFinished, prosody)));
  for (const [at, person] of people.entries()) await person.enter(room, `mallory${at}`);
  return people;
}

async function refusingEndpoint(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}/metadata`;
}

async function untrustedEndpoint(onFinished: OnFinished): Promise<string> {
  const origin = await startTlsOrigin(onFinished, makeCertificates().good, (_request, response) => void response.end());
  return origin.url("/metadata");
}

async function sayAndHear(person: Person, room: string, id: string, ...urls: string[]): Promise<void> {
  await person.say(room, id, ...urls);
  await person.hear(id);
}

const failures: [string, Responder][] = [
  ["time out", silence],
  ["are answered with 503", fail(503, "overloaded")],
  ["end with a reset connection", (_question, response) => void response.socket?.resetAndDestroy()],
];

describe.skipIf(requires("Prosody", hasProsody()))("the circuit breaker of all senders", () => {
  test.for(failures)(
    "the circuit breaker stays closed when many lookups of one sender %s",
    async ([, responder], { onTestFinished }) => {
      const { prosody, room, alice, bob } = await openScene(onTestFinished, byFile({ "bomb.pdf": responder }), {
        timeout: 0.5,
      });
      const ids = Array.from({ length: 15 }, (_, at) => `bomb${at}`);
      for (const id of ids) await alice.say(room, id, bomb, `${bomb}?/bomb.pdf`, `${bomb}?2/bomb.pdf`);
      for (const id of ids) await alice.hear(id);
      await bob.say(room, "picture", picture);
      expect(metadataOf(await alice.hear("picture"))).toEqual([summitElement]);
      expect(await moduleMetric(prosody, "breaker_open")).toBe(0);
    },
  );

  test.for(failures)(
    "the circuit breaker stays closed when the lookups of four senders %s",
    async ([, responder], { onTestFinished }) => {
      const { prosody, room, bob } = await openScene(onTestFinished, byFile({ "bomb.pdf": responder }), {
        timeout: 0.5,
      });
      const attackers = await enterMany(onTestFinished, prosody, room, 4);
      for (const [at, attacker] of attackers.entries()) {
        await sayAndHear(attacker, room, `bomb${at}`, bomb, `${bomb}?/bomb.pdf`, `${bomb}?2/bomb.pdf`);
      }
      await bob.say(room, "picture", picture);
      expect(metadataOf(await bob.hear("picture"))).toEqual([summitElement]);
    },
  );

  test.for(failures)(
    "the circuit breaker opens when the lookups of five senders %s",
    async ([, responder], { onTestFinished }) => {
      const { prosody, oracle, room, bob } = await openScene(onTestFinished, byFile({ "bomb.pdf": responder }), {
        timeout: 0.5,
      });
      const senders = await enterMany(onTestFinished, prosody, room, 5);
      for (const [at, sender] of senders.entries()) await sayAndHear(sender, room, `bomb${at}`, bomb);
      await bob.say(room, "picture", picture);
      expect(metadataOf(await bob.hear("picture"))).toEqual([null]);
      expect(oracle.urls()).not.toContain(picture);
      expect(await moduleMetric(prosody, "breaker_open")).toBe(1);
      expect(prosody.log()).toMatch(/warn\s+Circuit breaker open: no lookups for 30 s/);
    },
  );

  test.for<[string, (onFinished: OnFinished) => Promise<string>]>([
    ["refused connections", refusingEndpoint],
    ["connections with an untrusted certificate", untrustedEndpoint],
  ])(
    "the circuit breaker opens after five %s, even if one sender sent all messages",
    async ([, startEndpoint], { onTestFinished }) => {
      const url = await startEndpoint(onTestFinished);
      const prosody = await startProsody(onTestFinished, { module: { url } });
      const room = prosody.room("lounge");
      const [alice, bob] = (await enterMany(onTestFinished, prosody, room, 2)) as [Person, Person];
      for (const id of ["m1", "m2", "m3", "m4", "m5"]) await sayAndHear(alice, room, id, picture);
      expect(await moduleMetric(prosody, "breaker_open")).toBe(1);
      await sayAndHear(bob, room, "bobs", picture);
      expect(await moduleMetric(prosody, "messages_total", 'outcome="breaker_open"')).toBe(1);
    },
  );

  test("the circuit breaker closes with another sender's trial after one sender's trial failed", async ({
    onTestFinished,
  }) => {
    const { prosody, oracle, room, alice, bob } = await openScene(onTestFinished, byFile({ "bomb.pdf": silence }), {
      timeout: 0.5,
      breaker_cooldown: 2,
    });
    const senders = await enterMany(onTestFinished, prosody, room, 5);
    for (const [at, sender] of senders.entries()) await sayAndHear(sender, room, `bomb${at}`, bomb);
    expect(await moduleMetric(prosody, "breaker_open")).toBe(1);
    // Alice takes the first trial, and it fails.
    for (let at = 0; oracle.questions.length === 5; at += 1) await sayAndHear(alice, room, `try${at}`, bomb);
    expect(await moduleMetric(prosody, "breaker_open")).toBe(1);
    await bob.say(room, "picture", picture);
    expect(metadataOf(await bob.hear("picture"))).toEqual([summitElement]);
    expect(await moduleMetric(prosody, "breaker_open")).toBe(0);
  });
});

describe.skipIf(requires("Prosody", hasProsody()))("a sender whose lookups fail", () => {
  test("a sender's circuit breaker skips lookups only for the sender whose lookups time out", async ({
    onTestFinished,
  }) => {
    const { prosody, oracle, room, alice, bob } = await openScene(onTestFinished, byFile({ "bomb.pdf": silence }), {
      timeout: 0.5,
    });
    for (const id of ["m1", "m2", "m3", "m4", "m5"]) await sayAndHear(alice, room, id, bomb);
    await alice.say(room, "m6", picture);
    expect(metadataOf(await bob.hear("m6"))).toEqual([null]);
    expect(oracle.questions).toHaveLength(5);
    expect(await moduleMetric(prosody, "messages_total", 'outcome="sender_breaker_open"')).toBe(1);
    await bob.say(room, "bobs", picture);
    expect(metadataOf(await alice.hear("bobs"))).toEqual([summitElement]);
  });
});

describe.skipIf(requires("Prosody", hasProsody()))("the share of a sender", () => {
  test("a flooding sender has at most a quarter of all lookups in flight, and other senders are annotated", async ({
    onTestFinished,
  }) => {
    const { prosody, oracle, room, alice, bob } = await openScene(onTestFinished, byFile({ "bomb.pdf": silence }), {
      timeout: 5,
      max_inflight: 16,
    });
    const other = prosody.room("other");
    await alice.enter(other, "alice");
    for (let at = 0; at < 3; at += 1) await alice.say(room, `lounge${at}`, bomb);
    for (let at = 0; at < 10; at += 1) await alice.say(other, `other${at}`, bomb);
    await oracle.asked(4);
    await bob.say(room, "picture", picture);
    expect(metadataOf(await alice.hear("picture"))).toEqual([summitElement]);
    expect(oracle.urls()).toEqual([bomb, bomb, bomb, bomb, picture]);
    expect(await moduleMetric(prosody, "inflight")).toBe(4);
    expect(await moduleMetric(prosody, "messages_total", 'outcome="sender_too_many_lookups"')).toBe(9);
    await bob.hear("picture");
    expect(heardIds(bob)).toEqual(["picture"]);
  });

  test("a flooding sender has the same share with several devices of one account", async ({ onTestFinished }) => {
    const oracle = await startStandIn(onTestFinished, byFile({ "bomb.pdf": silence }));
    const module = { url: oracle.endpoint, timeout: 5, max_inflight: 16 };
    const prosody = await startProsody(onTestFinished, { module, hostModule: { url: oracle.endpoint } });
    const [phone, laptop, bob] = await Promise.all([
      connect(onTestFinished, prosody, "alice"),
      connect(onTestFinished, prosody, "alice"),
      connect(onTestFinished, prosody, "bob"),
    ]);
    const [room, other] = [prosody.room("lounge"), prosody.room("other")];
    await phone.enter(room, "alice");
    await laptop.enter(other, "alice");
    await bob.enter(other, "bob");
    for (const id of ["p1", "p2", "p3"]) await phone.say(room, id, bomb);
    await oracle.asked(3);
    for (const id of ["l1", "l2", "l3"]) await laptop.say(other, id, bomb);
    await oracle.asked(4);
    await bob.say(other, "picture", picture);
    expect(metadataOf(await laptop.hear("picture"))).toEqual([summitElement]);
    expect(oracle.urls()).toEqual([bomb, bomb, bomb, bomb, picture]);
  });
});
