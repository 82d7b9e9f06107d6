import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { startRawOrigin } from "../../support/origin.ts";
import { hasProsody, poolsConnections, startProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { openScene } from "../../support/room.ts";
import { answer, byFile, describeAll, heldBack, summit, summitElement } from "../../support/stand-in.ts";
import { connect, metadataOf } from "../../support/xmpp.ts";

const slow = "https://upload.example.net/slow.png";

function pictureOf(name: string): string {
  return `https://upload.example.net/${name}.png`;
}

/** Sends the answer to the request whose bytes have just arrived, over a connection that stays open. */
function respond(socket: Socket, request: string): void {
  if (request.startsWith("GET /version")) return void socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  const { url } = JSON.parse(request.slice(request.indexOf("{"))) as { url: string };
  const body = JSON.stringify({ ...summit, url });
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: keep-alive\r\n\r\n${body}`);
}

describe.skipIf(requires("Prosody", hasProsody()))("connections to the oracle", () => {
  test("one connection serves consecutive lookups, if this version of Prosody can keep one open", async ({
    onTestFinished,
  }) => {
    const { oracle, room, alice } = await openScene(onTestFinished);
    const before = oracle.connections();
    for (const id of ["m1", "m2", "m3", "m4"]) {
      await alice.say(room, id, pictureOf(id));
      expect(metadataOf(await alice.hear(id))).toEqual([summitElement]);
    }
    expect(oracle.connections() - before).toBeLessThanOrEqual(poolsConnections() ? 1 : 4);
  });

  test("parallel lookups have a connection each, and each message has the metadata of its own picture", async ({
    onTestFinished,
  }) => {
    const { room, alice, bob } = await openScene(onTestFinished, ({ url }, response) =>
      answer(response, 200, { ...summit, url, bytes: url.length }),
    );
    const names = Array.from({ length: 12 }, (_, at) => "x".repeat(at + 1));
    for (const [at, name] of names.entries()) await (at % 2 ? alice : bob).say(room, name, pictureOf(name));
    for (const name of names) {
      expect(metadataOf(await bob.hear(name))[0]!.bytes).toBe(String(pictureOf(name).length));
    }
  });

  test("the answer to a lookup that was given up lands in no other message", async ({ onTestFinished }) => {
    const { responder, release } = heldBack();
    const { oracle, room, alice, bob } = await openScene(
      onTestFinished,
      byFile({
        "slow.png": responder,
        "own.png": ({ url }, response) => answer(response, 200, { ...summit, url, bytes: 7 }),
      }),
      { timeout: 0.5 },
    );
    await alice.say(room, "warm", pictureOf("warm"));
    await alice.hear("warm");
    await alice.say(room, "slow", slow);
    expect(metadataOf(await bob.hear("slow"))).toEqual([null]);
    await alice.say(room, "own", pictureOf("own"));
    await oracle.asked(3);
    release();
    expect(metadataOf(await bob.hear("own"))[0]!.bytes).toBe("7");
    await alice.say(room, "later", pictureOf("own"));
    expect(metadataOf(await bob.hear("later"))[0]!.bytes).toBe("7");
  });

  test("a lookup on a connection that the oracle has just closed is sent again on a new one", async ({
    onTestFinished,
  }) => {
    // Each connection serves one request, and is reset as soon as a second one arrives.
    const peer = await startRawOrigin(onTestFinished, (socket) => {
      socket.once("data", (request) => {
        respond(socket, String(request));
        socket.once("data", () => socket.resetAndDestroy());
      });
    });
    const prosody = await startProsody(onTestFinished, { module: { url: peer.url("/metadata") } });
    const alice = await connect(onTestFinished, prosody);
    const room = prosody.room("lounge");
    await alice.enter(room, "alice");
    for (const id of ["m1", "m2", "m3"]) {
      await alice.say(room, id, pictureOf(id));
      expect(metadataOf(await alice.hear(id))).toEqual([summitElement]);
    }
    expect(prosody.errors()).toEqual([]);
  });

  test("the rest of an answer that is too long is not read as the answer to the next lookup", async ({
    onTestFinished,
  }) => {
    const forged = JSON.stringify({ ...summit, url: pictureOf("m2"), bytes: 666 });
    const split = `HTTP/1.1 200 OK\r\nContent-Length: ${forged.length}\r\n\r\n${forged}`;
    const peer = await startRawOrigin(onTestFinished, (socket) => {
      socket.on("data", (request) => {
        if (!String(request).includes("m1.png")) return respond(socket, String(request));
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nConnection: keep-alive\r\n\r\n");
        socket.removeAllListeners("data").on("data", () => void socket.write(split.repeat(50)));
      });
    });
    const prosody = await startProsody(onTestFinished, { module: { url: peer.url("/metadata") } });
    const alice = await connect(onTestFinished, prosody);
    const room = prosody.room("lounge");
    await alice.enter(room, "alice");
    await alice.say(room, "m1", pictureOf("m1"));
    expect(metadataOf(await alice.hear("m1"))).toEqual([null]);
    await alice.say(room, "m2", pictureOf("m2"));
    expect(metadataOf(await alice.hear("m2"))).toEqual([summitElement]);
    expect(prosody.errors()).toEqual([]);
  });

  test.for<[string, string]>([
    ["an upper-case host and dot segments", "https://UPLOAD.example.net:443/a/../b/%2e/c.png#part"],
    ["other scripts in its path", "https://upload.example.net/höhe/ñ.png?q='ü'"],
    ["an internationalized host", "https://bücher.example.net/a.png"],
  ])(
    "a URL with %s is annotated, although the oracle answers with its normalised form",
    async ([, url], { onTestFinished }) => {
      const { room, alice, bob } = await openScene(onTestFinished, ({ url: asked }, response) =>
        describeAll({ url: new URL(asked.replace(/#.*/, "")).href } as Parameters<typeof describeAll>[0], response),
      );
      await alice.say(room, "m1", url);
      expect(metadataOf(await bob.hear("m1"))).toEqual([summitElement]);
    },
  );
});
