/** Tests of the rules for slow transfers and for the memory of bodies, over real sockets. */
import { setTimeout as after } from "node:timers/promises";
import { describe, expect, test, type TestContext } from "vitest";
import { createShares } from "../../../src/fetch/shares.ts";
import { wholeKey } from "../../../src/domain/limits.ts";
import type { Source } from "../../../src/fetch/source.ts";
import { createTransfers } from "../../../src/load/transfers.ts";
import { createFetcher } from "../../support/fetch.ts";
import { crlf, drip, ok } from "../../support/hostile.ts";
import { startOrigin, startRawOrigin, startSpeakingOrigin } from "../../support/origin.ts";

const mebibyte = 1024 ** 2;

/** Opens URLs as measured transfers, while `starved` lookups wait for a slot. */
function startMeasured(onTestFinished: TestContext["onTestFinished"], starved: number, maxBytes = 100 * mebibyte) {
  const { parseTarget, openSource } = createFetcher({ maxBytes });
  const transfers = createTransfers({
    starved: () => new Map(starved > 0 ? [[wholeKey, starved]] : []),
    maxYielded: 0,
    now: () => performance.now(),
  });
  return async (url: string): Promise<Source> => {
    const transfer = transfers.begin([wholeKey], AbortSignal.timeout(20_000), () => undefined);
    onTestFinished(() => transfer[Symbol.dispose]());
    const source = await openSource(parseTarget(url), null, transfer);
    if (source.isNotModified) throw new Error("a 304 without validators");
    onTestFinished(() => source.close());
    return source;
  };
}

// Concurrent, because each test waits for timeouts of its own transfers.
describe.concurrent("slow transfers and the memory of bodies", () => {
  test("a dripping body is ended if another lookup waits for a slot, and its received bytes are kept", async ({
    onTestFinished,
  }) => {
    const origin = await startSpeakingOrigin(
      onTestFinished,
      drip(`${ok}Content-Length: 100000${crlf}${crlf}`, "a".repeat(1e5)),
    );
    const source = await startMeasured(onTestFinished, 1)(origin.url("/"));
    const { bytes, warning } = await source.body();
    expect([bytes.length > 0, warning]).toEqual([true, "body_timeout"]);
    await origin.idle();
  });

  test("a connection without a response is ended as unreachable if another lookup waits for a slot", async ({
    onTestFinished,
  }) => {
    const origin = await startRawOrigin(onTestFinished, () => undefined);
    await expect(startMeasured(onTestFinished, 1)(origin.url("/"))).rejects.toMatchObject({
      code: "source_unreachable",
      reason: "timeout",
    });
    await origin.idle();
  });

  test("a range of a body that drips yields to a lookup that waits", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (request, response) => {
      if (request.headers.range === undefined) {
        return void response.writeHead(200, { "Content-Length": 100_000 }).write(Buffer.alloc(50_000));
      }
      response.writeHead(206, { "Content-Range": "bytes 90000-99999/100000" }).write("a");
    });
    const source = await startMeasured(onTestFinished, 1)(origin.url("/"));
    await source.arrived(50_000);
    expect(await source.range(90_000, 100_000)).toBeNull();
    await origin.idle();
  });

  test("a body that the service itself holds back (backpressure) is not ended as slow, and can be read completely later", async ({
    onTestFinished,
  }) => {
    const large = Buffer.alloc(24 * mebibyte, "media");
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(large));
    const source = await startMeasured(onTestFinished, 100)(origin.url("/"));
    await source.arrived(1);
    await after(4000);
    expect(await source.body()).toMatchObject({ warning: null });
  });

  test("a large stalled body is ended even if no lookup waits, and a small one is not", async ({ onTestFinished }) => {
    const stopAfter = (bytes: number) => (socket: { write(data: string | Buffer): unknown }) => {
      socket.write(`${ok}Content-Length: ${10 * mebibyte}${crlf}${crlf}`);
      socket.write(Buffer.alloc(bytes));
    };
    const large = await startSpeakingOrigin(onTestFinished, stopAfter(2 * mebibyte));
    const small = await startSpeakingOrigin(onTestFinished, stopAfter(mebibyte / 2));
    const open = startMeasured(onTestFinished, 0);
    const [largeSource, smallSource] = await Promise.all([open(large.url("/")), open(small.url("/"))]);
    let isSmallOver = false;
    void smallSource.body().then(() => (isSmallOver = true));
    const { bytes, warning } = await largeSource.body();
    expect([bytes.length, warning, isSmallOver]).toEqual([2 * mebibyte, "body_timeout", false]);
  });

  test("a lookup of a site that uses its share of the memory fails with host_busy, and bodies of other sites are read", async ({
    onTestFinished,
  }) => {
    const origin = await startOrigin(onTestFinished, (request, response) => {
      response.writeHead(200, { "Content-Length": 8 * mebibyte }).write(Buffer.alloc(4 * mebibyte - 1));
      if (request.url === "/whole") response.end(Buffer.alloc(4 * mebibyte + 1));
    });
    const shares = createShares({ maxPerHost: 99, maxPerSite: 99, maxPerBlock: 99, isOwn: () => false });
    const { open, outcome, budget } = createFetcher({ shares, budgetBytes: 32 * mebibyte, maxBytes: 8 * mebibyte });
    const at = (host: string, path: string) => `http://${host}:${origin.port}${path}`;
    const held = await Promise.all(["1.site-a.net", "2.site-a.net", "3.site-a.net"].map((host) => open(at(host, "/"))));
    for (const source of held) await source.arrived(4 * mebibyte - 1);
    expect(budget.used).toBe(12 * mebibyte);
    expect(await outcome(at("4.site-a.net", "/whole"))).toBe("host_busy");
    expect(await outcome(at("1.site-b.net", "/whole"))).toBe("ok");
    for (const source of held) source.close();
    expect(await outcome(at("4.site-a.net", "/whole"))).toBe("ok");
  });
});
