/** Tests of the limits per destination, and of the circuit breaker. */
import type { Socket } from "node:net";
import { describe, expect, test, type TestContext, vi } from "vitest";
import { OracleError } from "../../../src/domain/errors.ts";
import { createHostHealth } from "../../../src/fetch/host-health.ts";
import { createShares, type Shares } from "../../../src/fetch/shares.ts";
import type { Semaphore } from "../../../src/domain/limits.ts";
import { createFetcher } from "../../support/fetch.ts";
import {
  makeCertificates,
  startOrigin,
  startRawOrigin,
  startSpeakingOrigin,
  startTlsOrigin,
} from "../../support/origin.ts";
import { silenceAddress } from "../../support/silent-address.ts";
import { openSlots } from "../../support/slots.ts";

describe("connections to one address", () => {
  /** Sets the connection limits per address and per block. */
  function limitTo(maxPerHost: number, maxPerBlock = Infinity) {
    const shares = createShares({
      maxPerHost,
      maxPerSite: Infinity,
      maxPerBlock,
      isOwn: () => maxPerBlock === Infinity,
    });
    return { addressSlots: openSlots({ maxWaiting: 64 }), shares };
  }

  /** A slot is released by the close event of our socket. */
  async function allReleased(slots: Semaphore) {
    while (slots.active > 0 || slots.waiting > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  test("connections to one address stay within its limit, however many names lead there, and all succeed", async ({
    onTestFinished,
  }) => {
    let most = 0;
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      most = Math.max(most, origin.open);
      setTimeout(() => response.end("ok"), 20);
    });
    const limits = limitTo(3);
    const { outcome } = createFetcher(limits);
    const names = Array.from({ length: 15 }, (_, index) => `http://name-${index}.example.net:${origin.port}/`);
    expect(await Promise.all(names.map((name) => outcome(name)))).toEqual(names.map(() => "ok"));
    expect(most).toBe(3);
    await allReleased(limits.addressSlots);
  });

  test("a lookup without a free connection in time fails as host_busy", async ({ onTestFinished }) => {
    const origin = await startRawOrigin(onTestFinished, () => undefined);
    const limits = limitTo(1);
    const { open, outcome } = createFetcher({ ...limits, connectTimeoutMs: 200 });
    const holder = new AbortController();
    const held = open(`http://one.example.net:${origin.port}/`, holder.signal);
    held.catch(() => undefined);
    while (origin.connections === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await outcome(`http://two.example.net:${origin.port}/`)).toBe("host_busy");
    expect(await outcome(`http://two.example.net:${origin.port}/`, 50)).toBe("host_busy");
    expect(origin.connections).toBe(1);
    holder.abort();
    await expect(held).rejects.toMatchObject({ code: "source_unreachable" });
    await allReleased(limits.addressSlots);
  });

  test("a connection goes to the next address if the first is at its limit, and waits if the next is dead", async ({
    onTestFinished,
  }) => {
    const first = await startOrigin(onTestFinished, (_request, response) => response.end("ok"));
    const limits = limitTo(1);
    const { outcome, parseTarget } = createFetcher({ ...limits, addresses: ["127.0.0.1", "127.0.0.2"] });
    const url = `http://media.example.net:${first.port}/`;
    const slot = limits.addressSlots.tryTake(limits.shares.ofConnection(parseTarget(url), "127.0.0.1", first.port));
    const waiting = outcome(url); // the second is a closed port
    while (limits.addressSlots.waiting === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(first.connections).toBe(0);
    slot?.release();
    expect(await waiting).toBe("ok");
  });

  test("addresses are tried once each, IPv6 and IPv4 in turn, those behind NAT64 last, and at most four", async ({
    onTestFinished,
  }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end("ok"));
    const tried: string[] = [];
    const limits = limitTo(9);
    const shares: Shares = {
      ...limits.shares,
      ofConnection(target, address, port) {
        tried.push(address);
        return limits.shares.ofConnection(target, address, port);
      },
    };
    const orderOf = async (...addresses: string[]) => {
      const allowAddresses = ["127.0.0.0/8", "::1", "fd00::/8", "64:ff9b::/96"];
      const { outcome } = createFetcher({ ...limits, shares, addresses, allowAddresses, connectTimeoutMs: 1000 });
      await outcome(`http://media.example.net:${origin.port}/`);
      return tried.splice(0);
    };
    expect(await orderOf("127.0.0.1", "127.0.0.1")).toEqual(["127.0.0.1"]);
    expect(await orderOf("127.0.0.2", "127.0.0.1", "::1", "127.0.0.2")).toEqual(["::1", "127.0.0.2", "127.0.0.1"]);
    expect(await orderOf("64:ff9b::8.8.8.8", "127.0.0.1", "::1")).toEqual(["::1", "127.0.0.1", "64:ff9b::8.8.8.8"]);
    const many = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "::1"];
    expect(await orderOf(...many)).toEqual(["::1", "127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    await allReleased(limits.addressSlots);
  });

  test("a connection releases the slots of other addresses as soon as it is established, or has timed out", async ({
    onTestFinished,
  }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => void response.write("a"));
    await silenceAddress(onTestFinished, "127.0.0.2", origin.port);
    const limits = limitTo(1);
    const fetcherOf = (...addresses: string[]) => createFetcher({ ...limits, addresses, connectTimeoutMs: 5000 });
    const url = `http://media.example.net:${origin.port}/`;
    const source = await fetcherOf("127.0.0.2", "127.0.0.1", "127.0.0.3").open(url);
    while (limits.addressSlots.active > 1) await new Promise((resolve) => setTimeout(resolve, 5));
    source.close();
    await allReleased(limits.addressSlots);
    expect(await fetcherOf("127.0.0.2", "127.0.0.1").outcome(url, 100)).toBe("source_unreachable timeout");
    await allReleased(limits.addressSlots);
    expect(origin.connections).toBe(1);
  });

  test("a name that is resolved too late is not connected to, and takes no slot", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end("ok"));
    const limits = limitTo(1);
    const resolve = vi.fn(async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return ["127.0.0.1"];
    });
    const { outcome } = createFetcher({ ...limits, resolve, connectTimeoutMs: 20 });
    expect(await outcome(`http://media.example.net:${origin.port}/`)).toBe("source_unreachable timeout");
    await resolve.mock.results[0]!.value;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([limits.addressSlots.active, origin.connections]).toEqual([0, 0]);
  });

  test("a connection releases its slots after any outcome", async ({ onTestFinished }) => {
    const { good, ca } = makeCertificates();
    const tls = await startTlsOrigin(onTestFinished, good, (_request, response) => response.end("ok"));
    const mute = await startRawOrigin(onTestFinished, () => undefined);
    const rude = await startSpeakingOrigin(onTestFinished, (socket) => void socket.resetAndDestroy());
    const limits = limitTo(1);
    const { outcome } = createFetcher({ ...limits, ca, addresses: ["127.0.0.1", "127.0.0.3"] });
    for (let time = 0; time < 3; time += 1) {
      expect(await outcome(`https://media.example.net:${tls.port}/`)).toBe("ok");
      expect(await outcome(`https://media.example.net:${mute.port}/`, 100)).toBe("source_unreachable timeout");
      expect(await outcome(`http://media.example.net:${mute.port}/`, 100)).toBe("source_unreachable timeout");
      expect(await outcome(`https://other.example.net:${tls.port}/`)).toBe("source_unreachable tls");
      expect(await outcome(`http://media.example.net:${rude.port}/`)).toBe("source_unreachable reset");
      await Promise.all([tls.idle(), mute.idle(), rude.idle()]);
    }
    await allReleased(limits.addressSlots);
  });

  test("connections to a block of addresses are bounded, and do not affect other blocks", async ({
    onTestFinished,
  }) => {
    const origin = await startRawOrigin(onTestFinished, () => undefined, { host: "0.0.0.0" });
    const limits = limitTo(2, 3);
    const { outcome, open } = createFetcher({ ...limits, connectTimeoutMs: 200 });
    const at = (address: string) => `http://${address}:${origin.port}/`;
    const holder = new AbortController();
    const held = ["127.0.0.1", "127.0.0.1", "127.0.0.2"].map((address) => open(at(address), holder.signal));
    while (origin.open < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await outcome(at("127.0.0.3"))).toBe("host_busy");
    expect(await outcome(at("127.0.1.1"), 100)).toBe("source_unreachable timeout");
    expect(origin.connections).toBe(4);
    holder.abort();
    await Promise.allSettled(held);
    await allReleased(limits.addressSlots);
  });
});

describe("the circuit breaker", () => {
  function startBreaker() {
    const clock = { ms: 0 };
    const hostHealth = createHostHealth({
      maxFailures: 3,
      windowMs: 60_000,
      openMs: 30_000,
      defaultBackoffMs: 1,
      maxBackoffMs: 1,
      maxOrigins: 100,
      now: () => clock.ms,
      epochNow: Date.now,
    });
    return { hostHealth, clock };
  }

  /** Returns a free port, where an origin may start later. */
  async function closedPort(onTestFinished: TestContext["onTestFinished"]): Promise<number> {
    const origin = await startRawOrigin(onTestFinished, () => undefined, { host: "127.0.0.9" });
    return origin.port; // taken on that address alone
  }

  test("the circuit breaker opens without connections, is half-open later, and closes with a connection", async ({
    onTestFinished,
  }) => {
    const port = await closedPort(onTestFinished);
    const { hostHealth, clock } = startBreaker();
    const { outcome } = createFetcher({ hostHealth });
    const ask = (path: string) => outcome(`http://127.0.0.1:${port}/${path}`);
    for (const path of ["a", "b", "c"]) expect(await ask(path)).toBe("source_unreachable refused");
    expect(await ask("d")).toBe("source_unreachable breaker");
    clock.ms += 30_000;
    expect(await ask("e")).toBe("source_unreachable refused");
    expect(await ask("f")).toBe("source_unreachable breaker");
    clock.ms += 30_000;
    const answer = (socket: Socket) => socket.end("HTTP/1.1 404 Not Found\r\n\r\n");
    const origin = await startSpeakingOrigin(onTestFinished, answer, { port });
    expect(await ask("g")).toBe("source_status 404");
    expect(await ask("h")).toBe("source_status 404");
    expect(origin.connections).toBe(2);
  });

  test("the circuit breaker opens after failed name resolutions, connect timeouts or failed TLS handshakes", async ({
    onTestFinished,
  }) => {
    const mute = await startRawOrigin(onTestFinished, () => undefined);
    const rude = await startRawOrigin(onTestFinished, (socket) => socket.resetAndDestroy());
    const named = createFetcher({
      hostHealth: startBreaker().hostHealth,
      resolve: () => Promise.reject(new OracleError("source_unreachable", "", { reason: "name" })),
    });
    const direct = createFetcher({ hostHealth: startBreaker().hostHealth, connectTimeoutMs: 100 });
    const silence = createFetcher({
      hostHealth: startBreaker().hostHealth,
      allowAddresses: ["192.0.2.0/24"], // TEST-NET-1: packets are lost, or refused on the way
      connectTimeoutMs: 100,
    });
    for (const [fetcher, url, expected] of [
      [named, "http://media.example.net/", /name$/],
      [direct, `https://127.0.0.1:${mute.port}/`, /timeout$/],
      [direct, `https://127.0.0.1:${rude.port}/`, /(reset|tls)$/],
      [silence, "http://192.0.2.1/", /(timeout|network|refused)$/],
    ] as const) {
      for (let time = 0; time < 3; time += 1) expect(await fetcher.outcome(url)).toMatch(expected);
      expect(await fetcher.outcome(url)).toBe("source_unreachable breaker");
    }
  });

  test.for<[what: string, speak: (socket: Socket) => unknown, expected: string]>([
    ["has nothing there", (socket) => socket.end("HTTP/1.1 404 Not Found\r\n\r\n"), "source_status 404"],
    ["is broken", (socket) => socket.end("HTTP/1.1 500 Broken\r\n\r\n"), "source_status 500"],
    ["is cut off", (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"), "body_truncated"],
    [
      "redirects to a kind of URL that is not looked up",
      (socket) => socket.end("HTTP/1.1 302 F\r\nLocation: file:///\r\n\r\n"),
      "source_unreachable redirect",
    ],
    [
      "redirects to a refused address",
      (socket) => socket.end("HTTP/1.1 302 F\r\nLocation: http://10.0.0.1/\r\n\r\n"),
      "source_unreachable address",
    ],
    ["is not HTTP", (socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"), "source_protocol"],
    ["is silent", () => undefined, "source_unreachable timeout"],
    ["is reset before the head", (socket) => socket.resetAndDestroy(), "source_unreachable reset"],
    ["is closed before the head", (socket) => socket.end(), "source_unreachable reset"],
  ])(
    "the circuit breaker stays closed for a host with a URL that %s, however often",
    async ([, speak, expected], { onTestFinished }) => {
      const origin = await startRawOrigin(onTestFinished, (socket) => socket.once("data", () => speak(socket)));
      const { outcome } = createFetcher({ hostHealth: startBreaker().hostHealth, connectTimeoutMs: 1000 });
      // Longer than the connect timeout: a lookup that ends before it would not count anyway.
      const asked = Array.from({ length: 5 }, () => outcome(origin.url("/"), 1500));
      expect(await Promise.all(asked)).toEqual(Array(5).fill(expected));
      expect(await outcome(origin.url("/"), 1500)).toBe(expected);
      expect(origin.connections).toBe(6);
    },
  );

  test("the circuit breaker is closed by a connection, although the URL of the trial is silent", async ({
    onTestFinished,
  }) => {
    const port = await closedPort(onTestFinished);
    const { hostHealth, clock } = startBreaker();
    const { outcome } = createFetcher({ hostHealth });
    for (let time = 0; time < 3; time += 1) await outcome(`http://127.0.0.1:${port}/`);
    clock.ms += 30_000;
    const origin = await startOrigin(
      onTestFinished,
      (request, response) => {
        if (request.url !== "/silent") response.end("ok");
      },
      { port },
    );
    const trial = outcome(origin.url("/silent"), 300);
    while (origin.requests === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await outcome(origin.url("/picture"))).toBe("ok");
    expect(await trial).toBe("source_unreachable timeout");
    expect(await outcome(origin.url("/picture"))).toBe("ok");
  });

  test("the circuit breaker of a redirect's target is not that of the redirecting host", async ({ onTestFinished }) => {
    const port = await closedPort(onTestFinished);
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(302, { Location: `http://127.0.0.1:${port}/` }).end();
    });
    const { outcome } = createFetcher({ hostHealth: startBreaker().hostHealth });
    for (let time = 0; time < 5; time += 1) {
      const expected = time < 3 ? "source_unreachable refused" : "source_unreachable breaker";
      expect(await outcome(origin.url("/"))).toBe(expected);
    }
    expect(origin.connections).toBe(5);
  });

  test("the circuit breaker ignores a connect attempt with too little time left after slow redirects", async ({
    onTestFinished,
  }) => {
    const mute = await startRawOrigin(onTestFinished, () => undefined); // no TLS handshake in time
    const attacker = await startOrigin(onTestFinished, (_request, response) => {
      setTimeout(() => response.writeHead(302, { Location: `https://127.0.0.1:${mute.port}/` }).end(), 800);
    });
    const { outcome } = createFetcher({ hostHealth: startBreaker().hostHealth });
    const all = await Promise.all(Array.from({ length: 4 }, () => outcome(attacker.url("/"), 1500)));
    expect(all).toEqual(Array(4).fill("source_unreachable timeout"));
    expect(await outcome(attacker.url("/"), 1500)).toBe("source_unreachable timeout");
    expect(mute.connections).toBe(5);
  });

  test("the circuit breaker ignores a host that the address policy refuses, and one at its connection limit", async ({
    onTestFinished,
  }) => {
    const { hostHealth } = startBreaker();
    const refused = createFetcher({ hostHealth, addresses: ["10.0.0.1"] });
    const shares = createShares({ maxPerHost: 0, maxPerSite: 0, maxPerBlock: 0, isOwn: () => true });
    const full = createFetcher({
      hostHealth,
      shares,
      addressSlots: openSlots({ maxWaiting: 64 }),
      connectTimeoutMs: 20,
    });
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end("ok"));
    for (let time = 0; time < 5; time += 1) {
      expect(await refused.outcome("http://media.example.net/")).toBe("source_unreachable address");
      expect(await full.outcome(origin.url("/"))).toBe("host_busy");
    }
    expect(await createFetcher({ hostHealth }).outcome(origin.url("/"))).toBe("ok");
  });

  test("the circuit breaker of a port is not opened by the other scheme on that port", async ({ onTestFinished }) => {
    const { good, ca } = makeCertificates();
    const tls = await startTlsOrigin(onTestFinished, good, (_request, response) => response.end("ok"));
    const plain = await startOrigin(onTestFinished, (_request, response) => response.end("ok"));
    const { outcome } = createFetcher({ hostHealth: startBreaker().hostHealth, ca });
    for (let time = 0; time < 5; time += 1) {
      expect(await outcome(`http://127.0.0.1:${tls.port}/`)).toMatch(/^source_/);
      expect(await outcome(`https://127.0.0.1:${plain.port}/`)).toMatch(/^source_/);
    }
    expect(await outcome(`https://127.0.0.1:${plain.port}/`)).toBe("source_unreachable breaker");
    expect(await outcome(tls.url("/"))).toBe("ok");
    expect(await outcome(plain.url("/"))).toBe("ok");
  });

  test("the circuit breaker of one port is not that of another port of the host", async ({ onTestFinished }) => {
    const port = await closedPort(onTestFinished);
    const well = await startOrigin(onTestFinished, (_request, response) => response.end("ok"));
    const { outcome } = createFetcher({ hostHealth: startBreaker().hostHealth });
    for (let time = 0; time < 3; time += 1) await outcome(`http://127.0.0.1:${port}/`);
    expect(await outcome(`http://127.0.0.1:${port}/`)).toBe("source_unreachable breaker");
    expect(await outcome(well.url("/"))).toBe("ok");
  });
});
