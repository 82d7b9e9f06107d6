/** What one destination may be made to bear, and what a dead one may cost. */
import { describe, expect, test } from "vitest";
import { createBreaker } from "../../../src/fetch/breaker.ts";
import { createSlots, type Slots } from "../../../src/fetch/slots.ts";
import { createFetcher } from "../../support/fetch.ts";
import {
  makeCertificates,
  startOrigin,
  startRawOrigin,
  startSpeakingOrigin,
  startTlsOrigin,
} from "../../support/origin.ts";

describe("connections to one address", () => {
  const slotsOf = (most: number) => createSlots({ maxActive: Infinity, maxActivePerHost: most, maxWaiting: 64 });

  /** A slot comes back with the event that tells of the connection's end, on our side. */
  async function allReleased(slots: Slots) {
    while (slots.active > 0 || slots.waiting > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  test("are not more at once than may be, however many names lead there, and all are answered", async ({
    onTestFinished,
  }) => {
    let most = 0;
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      most = Math.max(most, origin.open);
      setTimeout(() => response.end("ok"), 20);
    });
    const addressSlots = slotsOf(3);
    const { outcome } = createFetcher({ addressSlots });
    const names = Array.from({ length: 15 }, (_, index) => `http://name-${index}.example.net:${origin.port}/`);
    expect(await Promise.all(names.map((name) => outcome(name)))).toEqual(names.map(() => "ok"));
    expect(most).toBe(3);
    await allReleased(addressSlots);
  });

  test("who finds no room in time is told that we are overloaded: nothing is known of that host", async ({
    onTestFinished,
  }) => {
    const origin = await startRawOrigin(onTestFinished, () => undefined);
    const addressSlots = slotsOf(1);
    const { open, outcome } = createFetcher({ addressSlots, connectTimeoutMs: 200 });
    const holder = new AbortController();
    const held = open(`http://one.example.net:${origin.port}/`, holder.signal);
    held.catch(() => undefined);
    while (origin.connections === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await outcome(`http://two.example.net:${origin.port}/`)).toBe("overloaded");
    expect(await outcome(`http://two.example.net:${origin.port}/`, 50)).toBe("overloaded");
    expect(origin.connections).toBe(1);
    holder.abort();
    await expect(held).rejects.toMatchObject({ code: "source_unreachable" });
    await allReleased(addressSlots);
  });

  test("go to another address of the name where the first has no room, and wait for it where that one is dead", async ({
    onTestFinished,
  }) => {
    const first = await startOrigin(onTestFinished, (_request, response) => response.end("ok"));
    const addressSlots = slotsOf(1);
    const slot = addressSlots.tryTake(`127.0.0.1 ${first.port}`);
    const { outcome } = createFetcher({ addressSlots, addresses: ["127.0.0.1", "127.0.0.2"] });
    const waiting = outcome(`http://media.example.net:${first.port}/`); // nobody listens at the second
    while (addressSlots.waiting === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(first.connections).toBe(0);
    slot?.release();
    expect(await waiting).toBe("ok");
  });

  test("give their room back, whatever becomes of them", async ({ onTestFinished }) => {
    const { good, ca } = makeCertificates();
    const tls = await startTlsOrigin(onTestFinished, good, (_request, response) => response.end("ok"));
    const mute = await startRawOrigin(onTestFinished, () => undefined);
    const rude = await startSpeakingOrigin(onTestFinished, (socket) => void socket.resetAndDestroy());
    const addressSlots = slotsOf(1);
    const { outcome } = createFetcher({ addressSlots, ca, addresses: ["127.0.0.1", "127.0.0.3"] });
    for (let time = 0; time < 3; time += 1) {
      expect(await outcome(`https://media.example.net:${tls.port}/`)).toBe("ok");
      expect(await outcome(`https://media.example.net:${mute.port}/`, 100)).toBe("source_unreachable timeout");
      expect(await outcome(`http://media.example.net:${mute.port}/`, 100)).toBe("source_unreachable timeout");
      expect(await outcome(`https://other.example.net:${tls.port}/`)).toBe("source_unreachable tls");
      expect(await outcome(`http://media.example.net:${rude.port}/`)).toBe("source_unreachable reset");
      await Promise.all([tls.idle(), mute.idle(), rude.idle()]);
    }
    await allReleased(addressSlots);
  });
});

describe("a host that does not answer", () => {
  function startBreaker() {
    const clock = { ms: 0 };
    const breaker = createBreaker({
      maxFailures: 3,
      windowMs: 60_000,
      openMs: 30_000,
      maxHosts: 100,
      now: () => clock.ms,
    });
    return { breaker, clock };
  }

  test("is not asked again for a while, then once, and is well again with the first answer", async ({
    onTestFinished,
  }) => {
    let isWell = false;
    const origin = await startRawOrigin(onTestFinished, (socket) => {
      if (isWell) socket.end("HTTP/1.1 404 Not Found\r\n\r\n");
      else socket.resetAndDestroy();
    });
    const { breaker, clock } = startBreaker();
    const { outcome } = createFetcher({ breaker });
    const ask = (name: string) => outcome(origin.url(`/${name}`));
    for (const name of ["a", "b", "c"]) expect(await ask(name)).toBe("source_unreachable reset");
    expect([await ask("d"), origin.connections]).toEqual(["source_unreachable breaker", 3]);
    clock.ms += 30_000;
    expect([await ask("e"), origin.connections]).toEqual(["source_unreachable reset", 4]);
    expect([await ask("f"), origin.connections]).toEqual(["source_unreachable breaker", 4]);
    clock.ms += 30_000;
    isWell = true;
    expect(await ask("g")).toBe("source_status 404");
    expect(await ask("h")).toBe("source_status 404");
  });

  test.for([
    ["that it has nothing there", "HTTP/1.1 404 Not Found\r\n\r\n", "source_status 404"],
    ["that it is broken", "HTTP/1.1 500 Broken\r\n\r\n", "source_status 500"],
    ["a body that is cut off", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1", "body_truncated"],
    [
      "a redirect to what is not looked up",
      "HTTP/1.1 302 F\r\nLocation: file:///\r\n\r\n",
      "source_unreachable redirect",
    ],
    [
      "a redirect to a refused address",
      "HTTP/1.1 302 F\r\nLocation: http://10.0.0.1/\r\n\r\n",
      "source_unreachable address",
    ],
    ["no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "source_protocol"],
  ] as const)("is not one that says %s, however often", async ([, words, expected], { onTestFinished }) => {
    const origin = await startRawOrigin(onTestFinished, (socket) => socket.once("data", () => socket.end(words)));
    const { outcome } = createFetcher({ breaker: startBreaker().breaker });
    for (let time = 0; time < 5; time += 1) expect(await outcome(origin.url("/"))).toBe(expected);
  });

  test("is not the one that a redirect to a dead host came from", async ({ onTestFinished }) => {
    const dead = await startRawOrigin(onTestFinished, (socket) => socket.resetAndDestroy());
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(302, { Location: dead.url("/") }).end();
    });
    const { outcome } = createFetcher({ breaker: startBreaker().breaker });
    for (let time = 0; time < 5; time += 1) {
      const expected = time < 3 ? "source_unreachable reset" : "source_unreachable breaker";
      expect(await outcome(origin.url("/"))).toBe(expected);
    }
    expect([origin.connections, dead.connections]).toEqual([5, 3]);
  });

  test("is not one that was come to at the last moment, after slow redirects", async ({ onTestFinished }) => {
    const victim = await startOrigin(onTestFinished, (_request, response) => {
      setTimeout(() => response.end("ok"), 300);
    });
    const attacker = await startOrigin(onTestFinished, (_request, response) => {
      setTimeout(() => response.writeHead(302, { Location: victim.url("/") }).end(), 300);
    });
    const { outcome } = createFetcher({ breaker: startBreaker().breaker });
    for (let time = 0; time < 4; time += 1) {
      expect(await outcome(attacker.url("/"), 400)).toBe("source_unreachable timeout");
    }
    expect(await outcome(victim.url("/"))).toBe("ok");
  });

  test("is one whose silence lasts as long as the whole fetch", async ({ onTestFinished }) => {
    const origin = await startRawOrigin(onTestFinished, () => undefined);
    const { outcome } = createFetcher({ breaker: startBreaker().breaker, connectTimeoutMs: 50 });
    const outcomes = await Promise.all([1, 2, 3].map((name) => outcome(origin.url(`/${name}`), 300)));
    expect(outcomes).toEqual(Array(3).fill("source_unreachable timeout"));
    expect(await outcome(origin.url("/"), 300)).toBe("source_unreachable breaker");
  });

  test("has nothing to do with what the address policy refuses", async () => {
    const { breaker } = startBreaker();
    const { outcome } = createFetcher({ breaker, addresses: ["10.0.0.1"] });
    for (let time = 0; time < 5; time += 1) {
      expect(await outcome("http://media.example.net/")).toBe("source_unreachable address");
    }
  });

  test("is told by its port too", async ({ onTestFinished }) => {
    const dead = await startRawOrigin(onTestFinished, (socket) => socket.resetAndDestroy());
    const well = await startOrigin(onTestFinished, (_request, response) => response.end("ok"));
    const { outcome } = createFetcher({ breaker: startBreaker().breaker });
    for (let time = 0; time < 3; time += 1) await outcome(dead.url("/"));
    expect(await outcome(dead.url("/"))).toBe("source_unreachable breaker");
    expect(await outcome(well.url("/"))).toBe("ok");
  });
});
