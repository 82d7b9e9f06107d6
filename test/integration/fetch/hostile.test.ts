import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createFetcher } from "../../support/fetch.ts";
import { chunked, crlf, drip, end, flood, greetings, hostileOrigins, ok } from "../../support/hostile.ts";
import { startOrigin, startRawOrigin, startSpeakingOrigin } from "../../support/origin.ts";

const limitMs = 1500;

/** Uncaught exceptions: a peer that causes one crashes the process. */
const uncaught: unknown[] = [];
const onUncaught = (error: unknown) => void uncaught.push(error);
beforeAll(() => void process.on("uncaughtExceptionMonitor", onUncaught));
afterAll(() => {
  process.off("uncaughtExceptionMonitor", onUncaught);
  expect(uncaught).toEqual([]);
});

describe.concurrent("a hostile origin", () => {
  test.for(hostileOrigins.map((each) => [each.name, each] as const))(
    "an origin that sends %s has the expected outcome in time",
    async ([, { speak, expected, connections }], { onTestFinished, expect }) => {
      const origin = await startSpeakingOrigin(onTestFinished, speak);
      const { outcome, budget } = createFetcher();
      expect(await outcome(origin.url("/"), limitMs)).toBe(expected);
      await origin.idle();
      expect(origin.connections).toBe(connections);
      expect(budget.used).toBe(0);
    },
  );

  test.for(greetings)("an origin that %s is connected to only once", async ([, greet], context) => {
    const origin = await startRawOrigin(context.onTestFinished, greet);
    // The kernel decides whether the early response or the request is read first.
    const acceptable = /^(ok|source_protocol|source_unreachable reset)$/;
    context.expect(await createFetcher().outcome(origin.url("/"), limitMs)).toMatch(acceptable);
    context.expect(origin.connections).toBe(1);
  });

  test("an origin that does not accept fails at the connect timeout", async ({ expect }) => {
    // TEST-NET-1 has no hosts, and most networks send no ICMP error for it.
    const { outcome } = createFetcher({ allowAddresses: ["192.0.2.0/24"], connectTimeoutMs: 200 });
    const never = new AbortController().signal;
    expect(await outcome("http://192.0.2.1/", never)).toMatch(/^source_unreachable (timeout|network|refused)$/);
  });

  test("an origin that refuses the connection is unreachable", async ({ expect, onTestFinished }) => {
    const origin = await startRawOrigin(onTestFinished, () => undefined, { host: "127.0.0.7" });
    const { outcome } = createFetcher();
    expect(await outcome(`http://127.0.0.8:${origin.port}/`)).toBe("source_unreachable refused");
  });
});

describe("a peer that closes while a body is unread", () => {
  const body = "x".repeat(70_000);

  test.for([
    ["404 that ends", 404, "", 0, "source_status 404"],
    ["404 that ends later", 404, "", 20, "source_status 404"],
    ["404 of some length", 404, `Content-Length: ${body.length}${crlf}`, 20, "source_status 404"],
    ["302 that ends later", 302, `Location: /again${crlf}`, 20, "source_redirects"],
    ["200 that ends", 200, "", 0, "ok"],
    ["200 that ends later", 200, "", 20, "ok"],
    ["200 that ends early", 200, `Content-Length: 100000${crlf}`, 20, "body_truncated"],
    ["200 that is too large", 200, `Content-Length: 100000000${crlf}`, 20, "body_too_large"],
    ["200 that is coded", 200, `Content-Encoding: gzip${crlf}`, 20, "body_encoded"],
  ] as const)(
    "a peer that closes an unread %s does not crash the process",
    async ([, status, headers, delayMs, expected], { onTestFinished }) => {
      const origin = await startSpeakingOrigin(onTestFinished, (socket) => {
        socket.write(`HTTP/1.1 ${status} Whatever${crlf}Connection: close${crlf}${headers}${crlf}${body}`);
        setTimeout(() => socket.end(), delayMs);
      });
      const { outcome, budget } = createFetcher();
      for (let round = 0; round < 10; round += 1) expect(await outcome(origin.url("/"))).toBe(expected);
      await origin.idle();
      expect(budget.used).toBe(0);
      expect(uncaught).toEqual([]);
    },
  );
});

describe("many at once", () => {
  test("two hundred dripping bodies all end at the limit, with a healthy one beside them", async ({
    onTestFinished,
  }) => {
    const dripping = await startSpeakingOrigin(
      onTestFinished,
      drip(`${ok}Content-Length: 100000${crlf}${crlf}`, "a".repeat(1e5)),
    );
    const healthy = await startSpeakingOrigin(onTestFinished, end(`${ok}Content-Length: 3${crlf}${crlf}abc`));
    const { outcome, budget } = createFetcher();
    const all = Array.from({ length: 200 }, () => outcome(dripping.url("/"), 3000));
    expect(await outcome(healthy.url("/"))).toBe("ok");
    expect(new Set(await Promise.all(all))).toEqual(new Set(["body_timeout"]));
    await dripping.idle();
    expect(budget.used).toBe(0);
  });

  test("heads and trailers of many short lines do not block other lookups", async ({ onTestFinished }) => {
    const lines = `A:${crlf}`.repeat(20_000);
    const { outcome } = createFetcher();
    for (const [said, expected] of [
      [`${ok}${lines}`, "source_protocol"],
      [`${ok}${`A: b${crlf}`.repeat(999)}Content-Length: 0${crlf}${crlf}`, "ok"], // as many lines as are read
      [`${chunked}1${crlf}a${crlf}0${crlf}${lines}`, "body_truncated"],
    ] as const) {
      const origin = await startSpeakingOrigin(onTestFinished, said);
      const before = process.cpuUsage();
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcome(origin.url("/"))));
      const { user } = process.cpuUsage(before);
      expect(new Set(outcomes)).toEqual(new Set([expected]));
      // CPU time, since other load on the machine does not affect it. A parser that continues to the end of its
      // input, or copies the values so far for each line, takes 50 ms and more.
      expect(user / 1000 / outcomes.length).toBeLessThan(20);
    }
  });

  test("endless bodies stay within the byte budget, and new ones fail as overloaded", async ({ onTestFinished }) => {
    const endless = await startSpeakingOrigin(onTestFinished, flood(`${ok}${crlf}`, "a"));
    const { outcome, budget } = createFetcher({ budgetBytes: 4_000_000 });
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => outcome(endless.url("/"), 5000)));
    expect(new Set(outcomes)).toEqual(new Set(["body_too_large", "overloaded"]));
    await endless.idle();
    expect(budget.used).toBe(0);
  });

  test("a body in chunks of one byte arrives whole, unless it is endless", async ({ onTestFinished }) => {
    const bodyOf = (bytes: number) => `${chunked}${`1${crlf}a${crlf}`.repeat(bytes)}0${crlf}${crlf}`;
    const short = await startSpeakingOrigin(onTestFinished, end(bodyOf(80_000)));
    const source = await createFetcher().open(short.url("/"));
    expect((await source.body()).bytes).toHaveLength(80_000);
    const long = await startSpeakingOrigin(onTestFinished, end(bodyOf(900_000)));
    expect(await createFetcher().outcome(long.url("/"))).toBe("body_truncated");
  });

  test("a validator with a line end is no header of a request, which is not sent", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.setHeader("ETag", '"a"').end());
    const { open, reopen } = createFetcher();
    using source = await open(origin.url("/"));
    const { validators } = source.terms;
    expect(validators?.etag).toBe('"a"');
    for (const end of ["\r\n", "\n", "\0", "\u0100"]) {
      const forged = { ...validators!, etag: `"a"${end}X-Forged: b` };
      await expect(reopen(origin.url("/"), forged)).rejects.toMatchObject({ code: "internal" });
    }
    await origin.idle();
    expect(origin.requests).toBe(1);
  });
});
