import { createHash } from "node:crypto";
import type { RequestListener, ServerResponse } from "node:http";
import { setTimeout as after } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Source } from "../../../src/fetch/source.ts";
import { createFetcher } from "../../support/fetch.ts";
import { startOrigin } from "../../support/origin.ts";

// More than the socket buffers of a loopback connection hold.
const large = Buffer.alloc(24 * 1024 ** 2, "media");
const smallBytes = 300_000;
const sha256 = createHash("sha256").update(large).digest("hex");

// Longer than it takes to send the whole body.
const whileMs = 300;

/** Opens a source, reads only its head, and then holds the body back for a while (backpressure). */
async function open(respond: RequestListener, timeoutMs?: number) {
  const origin = await startOrigin(onTestFinished, respond);
  const { open, budget } = createFetcher({ maxBytes: large.length });
  const source = await open(origin.url("/"), timeoutMs);
  await source.arrived(1);
  await after(whileMs);
  return { source, budget, origin };
}

async function bytesOf(source: Source): Promise<{ bytes: number; sha256: string | null; warning: string | null }> {
  const { bytes, ...rest } = await source.body();
  return { bytes: bytes.length, ...rest };
}

describe("backpressure on a body", () => {
  type Send = (response: ServerResponse, isSent: () => void) => void;
  test.each<[title: string, Send]>([
    ["of a known length", (response, isSent) => response.setHeader("Content-Length", large.length).end(large, isSent)],
    ["in chunks", (response, isSent) => response.end(large, isSent)],
    [
      "that ends with its connection",
      ({ socket }, isSent) => {
        socket!.write("HTTP/1.1 200 OK\r\n\r\n");
        socket!.end(large, isSent);
      },
    ],
  ])("backpressure reads only the head, and the rest on request: of a body %s", async (_title, send) => {
    let isSent = false;
    const { source, budget } = await open((_request, response) => send(response, () => (isSent = true)));
    expect(isSent).toBe(false);
    expect(budget.used).toBeLessThanOrEqual(256 * 1024);
    const some = await source.arrived(1_000_000);
    expect(some.length).toBeGreaterThanOrEqual(1_000_000);
    await after(whileMs);
    expect(isSent).toBe(false);
    expect(await bytesOf(source)).toEqual({ bytes: large.length, sha256, warning: null });
    source.close();
    expect(budget.used).toBe(0);
  });

  test("the rest of a held body can be read after the origin has sent it and hung up", async () => {
    const { source, origin } = await open((_request, response) => {
      response.writeHead(200, { "Content-Length": smallBytes, Connection: "close" }).end(large.subarray(0, smallBytes));
    });
    expect(await bytesOf(source)).toMatchObject({ bytes: smallBytes, warning: null });
    await origin.idle();
  });

  test("a held body is truncated if the origin resets the connection meanwhile", async () => {
    let sending: ServerResponse | null = null;
    const { source, origin } = await open((_request, response) => {
      sending = response;
      response.writeHead(200, { "Content-Length": large.length }).write(large);
    });
    sending!.socket!.resetAndDestroy();
    await after(whileMs);
    expect((await source.body()).warning).toBe("body_truncated");
    await origin.idle();
  });

  test("a held body has timed out if its deadline passes meanwhile", async () => {
    const { source, origin } = await open(
      (_request, response) => response.writeHead(200, { "Content-Length": large.length }).write(large),
      whileMs / 2,
    );
    expect((await source.body()).warning).toBe("body_timeout");
    await origin.idle();
  });

  test("a held body that is stopped is not read any further", async () => {
    const { source, budget, origin } = await open((_request, response) => response.end(large));
    source.stop();
    expect((await source.body()).bytes.length).toBeLessThan(256 * 1024);
    source.close();
    await origin.idle();
    expect(budget.used).toBe(0);
  });
});
