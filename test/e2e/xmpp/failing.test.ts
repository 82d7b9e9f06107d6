import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { startRawOrigin } from "../../support/origin.ts";
import { hasProsody, moduleMetric, startProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { openScene } from "../../support/room.ts";
import {
  answer,
  byFile,
  describeAll,
  fail,
  type Responder,
  silence,
  summit,
  summitElement,
} from "../../support/stand-in.ts";
import { archiveOf, connect, heardIds, metadataOf } from "../../support/xmpp.ts";

const picture = "https://upload.example.net/summit.png";

function replying(body: unknown): Responder {
  return (_question, response) => answer(response, 200, body);
}

function describing(metadata: Record<string, unknown>): Responder {
  return ({ url }, response) => answer(response, 200, { url, ...metadata });
}

describe.skipIf(requires("Prosody", hasProsody()))("an oracle that fails", () => {
  test.for<[string, Responder]>([
    ["status 500", fail(500, "internal")],
    ["status 503", fail(503, "overloaded")],
    ["status 504, nothing known in time", fail(504, "deadline_exceeded")],
    ["status 401, another token", fail(401, "unauthorized")],
    ["a redirect", (_question, response) => void response.writeHead(302, { location: "/" }).end()],
    ["HTML", replying("<html>hello</html>")],
    ["cut off JSON", replying('{"bytes": 15690, "type": "image/png"')],
    ["JSON that is no object", replying("[1, 2, 3]")],
    ["very deep JSON", replying("[".repeat(8000))],
    ["JSON without a key of the contract", replying({ status: "ok" })],
    ["far too long a reply", describing({ ...summit, filename: "x".repeat(1_000_000) })],
    ["an answer about another URL", describing({ ...summit, url: "https://upload.example.net/b.png" })],
    ["an answer without its URL", replying(summit)],
    ["a reset connection", (_question, response) => void response.socket?.resetAndDestroy()],
    ["half a reply", (_question, response) => void response.writeHead(200).write('{"bytes"')],
  ])("%s leaves the message unchanged", async ([, responder], { onTestFinished }) => {
    const { room, alice, bob } = await openScene(onTestFinished, byFile({ "summit.png": responder }), { timeout: 1 });
    await alice.say(room, "m1", picture);
    expect(metadataOf(await bob.hear("m1"))).toEqual([null]);
    await alice.say(room, "m2", "https://upload.example.net/other.png");
    expect(metadataOf(await bob.hear("m2"))).toEqual([summitElement]);
  });

  test.for<[string, Record<string, unknown>, (keyof typeof summitElement)[]]>([
    ["a size in bytes that is not an integer", { bytes: 1.5 }, ["bytes"]],
    ["a type with markup", { type: "image/<x/>" }, ["type"]],
    ["a blurhash of the wrong length", { blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdn" }, ["blurhash"]],
    ["a width of 0", { width: 0 }, ["width", "height"]],
    ["a height without a width", { width: null }, ["width", "height"]],
    ["sides of 2^32 - 1", { width: 2 ** 32 - 1, height: 2 ** 32 - 1 }, ["width", "height"]],
  ])(
    "%s is left out, the rest is added, and the circuit breaker stays closed",
    async ([, wrong, absent], { onTestFinished }) => {
      const { prosody, room, alice, bob } = await openScene(onTestFinished, describing({ ...summit, ...wrong }));
      const rest = Object.fromEntries(
        Object.entries(summitElement).filter(([name]) => !absent.some((it) => it === name)),
      );
      for (const id of ["m1", "m2", "m3", "m4", "m5", "m6"]) {
        await alice.say(room, id, picture);
        expect(metadataOf(await bob.hear(id))).toEqual([rest]);
      }
      expect(await moduleMetric(prosody, "breaker_open")).toBe(0);
    },
  );

  test.for([
    ["is the parent folder", ".."],
    ["is the current folder", "."],
    ["has only white space", " \u00a0\u2003"],
    ["is reversed in part by a bidi override", "holiday\u202egpj.exe"],
    ["is reversed in part by a bidi isolate", "holiday\u2067gpj.exe"],
    ["has a zero-width space in its extension", "holiday.jp\u200bg"],
  ])(
    "a name that %s is left out, and the rest of the file's metadata is added",
    async ([, filename], { onTestFinished }) => {
      const { room, alice, bob } = await openScene(onTestFinished, describing({ ...summit, filename }));
      await alice.say(room, "m1", picture);
      const file = (await bob.hear("m1")).getChild("file", "urn:xmpp:file:metadata:0")!;
      expect(file.getChildElements().map(({ name }) => name)).toEqual([
        "media-type",
        "size",
        "width",
        "height",
        "hash",
      ]);
    },
  );

  test("messages are delivered unchanged at once if the oracle is down", async ({ onTestFinished }) => {
    const { port } = await closedPort();
    const prosody = await startProsody(onTestFinished, {
      module: { url: `http://127.0.0.1:${port}/metadata`, timeout: 30 },
    });
    const alice = await connect(onTestFinished, prosody);
    const room = prosody.room("lounge");
    await alice.enter(room, "alice");
    const started = performance.now();
    for (const id of ["m1", "m2", "m3", "m4", "m5", "m6", "m7"]) await alice.say(room, id, picture);
    expect(metadataOf(await alice.hear("m7"))).toEqual([null]);
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(heardIds(alice)).toEqual(["m1", "m2", "m3", "m4", "m5", "m6", "m7"]);
    expect(prosody.errors()).toEqual([]);
  });

  test("a peer that does not speak HTTP leaves the message unchanged", async ({ onTestFinished }) => {
    const peer = await startRawOrigin(onTestFinished, (socket) => void socket.end("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
    const prosody = await startProsody(onTestFinished, { module: { url: peer.url("/metadata") } });
    const alice = await connect(onTestFinished, prosody);
    const room = prosody.room("lounge");
    await alice.enter(room, "alice");
    await alice.say(room, "m1", picture);
    expect(metadataOf(await alice.hear("m1"))).toEqual([null]);
    expect(prosody.errors()).toEqual([]);
  });

  test("the connection is closed when the deadline is over", async ({ onTestFinished }) => {
    const peer = await startRawOrigin(onTestFinished, (socket) => void socket.resume());
    const prosody = await startProsody(onTestFinished, {
      module: { url: peer.url("/metadata"), timeout: 0.3, late: "off" },
    });
    const alice = await connect(onTestFinished, prosody);
    const room = prosody.room("lounge");
    await alice.enter(room, "alice");
    await alice.say(room, "m1", picture);
    await alice.hear("m1");
    await peer.idle();
    expect(peer.connections).toBe(2); // the other one asked for the version
  });
});

describe.skipIf(requires("Prosody", hasProsody()))("the circuit breaker", () => {
  test("five failures in a row of one sender stop this sender's lookups until the oracle is healthy again", async ({
    onTestFinished,
  }) => {
    const { prosody, oracle, room, alice } = await openScene(onTestFinished, fail(500, "internal"), {
      breaker_cooldown: 1,
    });
    for (const id of ["m1", "m2", "m3", "m4", "m5"]) {
      await alice.say(room, id, picture);
      await alice.hear(id);
    }
    oracle.responder = describeAll;
    await alice.say(room, "m6", picture);
    expect(metadataOf(await alice.hear("m6"))).toEqual([null]);
    expect(oracle.questions).toHaveLength(5);
    const messages = [];
    for (let at = 0; messages.at(-1) === undefined || metadataOf(messages.at(-1)!)[0] === null; at += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await alice.say(room, `try${at}`, picture);
      messages.push(await alice.hear(`try${at}`));
    }
    expect(oracle.questions).toHaveLength(6);
    await alice.say(room, "m7", picture);
    expect(metadataOf(await alice.hear("m7"))).toEqual([summitElement]);
    expect(await moduleMetric(prosody, "messages_total", 'outcome="sender_breaker_open"')).toBeGreaterThan(0);
  });

  test("time-outs of one sender stop this sender's lookups too, and the half-open trial is a single lookup", async ({
    onTestFinished,
  }) => {
    const { oracle, room, alice } = await openScene(onTestFinished, silence, {
      timeout: 0.3,
      breaker_failures: 2,
      breaker_cooldown: 0.5,
    });
    for (const id of ["m1", "m2", "m3"]) {
      await alice.say(room, id, picture);
      await alice.hear(id);
    }
    expect(oracle.questions).toHaveLength(2);
    for (let at = 0; oracle.questions.length === 2; at += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      await alice.say(room, `try${at}`, `${picture}?1`, `${picture}?2`, `${picture}?3`);
      await alice.hear(`try${at}`);
    }
    expect(oracle.questions).toHaveLength(3);
  });

  test.for([
    [502, "source_status"],
    [504, "deadline_exceeded"],
    [400, "url_unsupported"],
    [404, "route_unknown"],
    [429, "rate_limited"],
    [429, "host_busy"],
  ] as const)(
    "six answers of status %i (%s) do not open the circuit breaker",
    async ([status, code], { onTestFinished }) => {
      const { oracle, room, alice } = await openScene(onTestFinished, fail(status, code));
      for (const id of ["m1", "m2", "m3", "m4", "m5", "m6"]) {
        await alice.say(room, id, picture);
        expect(metadataOf(await alice.hear(id))).toEqual([null]);
      }
      oracle.responder = describeAll;
      await alice.say(room, "m7", picture);
      expect(metadataOf(await alice.hear("m7"))).toEqual([summitElement]);
    },
  );
});

describe.skipIf(requires("Prosody", hasProsody()))("the operator", () => {
  test.for<[string, string, (typeof summitElement | null)[]]>([
    ["reloads the module", "module:reload('muc_media_metadata', 'rooms.localhost')", [summitElement]],
    ["unloads the module", "module:unload('muc_media_metadata', 'rooms.localhost')", [null]],
    ["reloads the rooms' own module", "module:reload('muc', 'rooms.localhost')", [summitElement]],
  ])("an operator who %s loses no waiting message", async ([, command, after], { onTestFinished }) => {
    const { prosody, oracle, room, alice, bob } = await openScene(onTestFinished, byFile({ "slow.png": silence }), {
      timeout: 30,
    });
    const slow = "https://upload.example.net/slow.png";
    await alice.say(room, "a1", slow);
    await alice.say(room, "a2");
    await bob.say(room, "b1", slow);
    await oracle.asked(2);
    expect(heardIds(alice)).toEqual([]);
    const started = performance.now();
    await prosody.shell(command);
    for (const id of ["a1", "a2", "b1"]) await bob.hear(id);
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(heardIds(bob).filter((id) => id.startsWith("a"))).toEqual(["a1", "a2"]);
    expect(heardIds(bob)).toHaveLength(3);
    await alice.say(room, "later", picture);
    expect(metadataOf(await bob.hear("later"))).toEqual(after);
  });

  test("no waiting message is lost when the operator stops the server", async ({ onTestFinished }) => {
    const { prosody, oracle, room, alice } = await openScene(onTestFinished, silence, { timeout: 5 });
    await alice.say(room, "m1", picture);
    await oracle.asked(1);
    await prosody.stop();
    await alice.hear("m1");
  });

  test("the metrics count requests and their outcomes, and measure the delay of messages", async ({
    onTestFinished,
  }) => {
    const { prosody, room, alice } = await openScene(
      onTestFinished,
      byFile({ dead: fail(502), "slow.png": silence, ill: fail(500) }),
      { timeout: 0.5 },
    );
    for (const name of ["summit.png", "dead", "slow.png", "ill"]) {
      await alice.say(room, name, `https://a.example.net/${name}`);
      await alice.hear(name);
    }
    const value = (name: string, label: string): Promise<number> => moduleMetric(prosody, name, label);
    for (const outcome of ["described", "undescribed", "late", "ill"]) {
      expect(await value("lookups_total", `outcome="${outcome}"`)).toBe(1);
    }
    expect(await value("messages_total", 'outcome="annotated"')).toBe(1);
    expect(await value("messages_total", 'outcome="unannotated"')).toBe(3);
    expect(await value("delay_seconds_count", "")).toBe(4);
    expect(await value("inflight", "")).toBe(0);
    expect(await value("breaker_open", "")).toBe(0);
    expect((await archiveOf(alice, room)).length).toBe(4);
  });
});

async function closedPort(): Promise<{ port: number }> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return { port };
}
