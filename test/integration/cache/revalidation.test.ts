import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Metadata } from "../../../src/domain/metadata.ts";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { startDecoder } from "../../support/decoder.ts";
import { noise } from "../../support/images.ts";
import { startOrigin } from "../../support/origin.ts";
import { createCachedService } from "../../support/cached-service.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

const pictureOf = (seed: number) =>
  sharp(noise(32, 32, seed), { raw: { width: 32, height: 32, channels: 4 } })
    .png()
    .toBuffer();
const picture = await pictureOf(1);
const otherPicture = await pictureOf(2);

let decoder: Decoder;
let endDecoder: () => Promise<void>;

beforeAll(async () => {
  decoder = await startDecoder((end) => void (endDecoder = end), { processes: 1 });
});

afterAll(() => endDecoder());

/** Returns the conditional headers of a request. */
function conditionsOf({ headers }: IncomingMessage): unknown {
  return [headers["if-none-match"], headers["if-modified-since"]];
}

function send(response: ServerResponse, headers: Record<string, string>, body: Buffer = picture): void {
  response.writeHead(200, { "Content-Type": "image/png", ...headers }).end(body);
}

function sendUnlessCurrent(request: IncomingMessage, response: ServerResponse, etag: string): void {
  if (request.headers["if-none-match"] === etag) response.writeHead(304, { ETag: etag }).end();
  else send(response, { ETag: etag, "Cache-Control": "max-age=600" });
}

/** Starts a service, and an origin that records its requests. */
async function start(responder: RequestListener, options = {}) {
  const requests: [path: string, conditions: unknown][] = [];
  const origin = await startOrigin(onTestFinished, (request, response) => {
    requests.push([request.url ?? "", conditionsOf(request)]);
    responder(request, response);
  });
  return { requests, origin, service: createCachedService(decoder, options) };
}

describe("revalidation", () => {
  test("a 304 costs no body and no decode, and keeps the metadata", async () => {
    const { requests, origin, service } = await start((request, response) =>
      sendUnlessCurrent(request, response, '"a"'),
    );
    const url = origin.url("/a.png");
    const [, metadata] = await service.outcome(url);
    expect(metadata).toMatchObject({ width: 32, blurhash: expect.any(String) });
    service.pass(dayMs);
    expect(await service.outcome(url)).toEqual(["revalidated", metadata]);
    expect(await service.outcome(url)).toEqual(["hit", metadata]);
    expect(requests).toEqual([
      ["/a.png", [undefined, undefined]],
      ["/a.png", ['"a"', undefined]],
    ]);
    expect(service.decodes()).toBe(1);
  });

  test("a target is revalidated again and again while the origin returns 304", async () => {
    const { requests, origin, service } = await start((request, response) =>
      sendUnlessCurrent(request, response, 'W/"a"'),
    );
    const results = [];
    for (let day = 0; day < 4; day += 1) {
      results.push((await service.outcome(origin.url("/")))[0]);
      service.pass(dayMs);
    }
    expect(results).toEqual(["miss", "revalidated", "revalidated", "revalidated"]);
    expect(requests.at(-1)).toEqual(["/", ['W/"a"', undefined]]);
  });

  test("a conditional request has If-Modified-Since if the origin sends no ETag", async () => {
    const lastModified = "Tue, 10 Jun 2025 12:00:00 GMT";
    const { requests, origin, service } = await start((request, response) => {
      if (request.headers["if-modified-since"] === lastModified) response.writeHead(304).end();
      else send(response, { "Last-Modified": lastModified });
    });
    await service.outcome(origin.url("/"));
    service.pass(3 * dayMs);
    expect((await service.outcome(origin.url("/")))[0]).toBe("revalidated");
    expect(requests.at(-1)).toEqual(["/", [undefined, lastModified]]);
  });

  test("a new response with the same bytes is not decoded again", async () => {
    const { origin, service } = await start((_request, response) => send(response, {}));
    const [, metadata] = await service.outcome(origin.url("/"));
    service.pass(dayMs);
    expect(await service.outcome(origin.url("/"))).toEqual(["miss", metadata]);
    expect(service.decodes()).toBe(1);
  });

  test("a new response with other bytes is decoded", async () => {
    let body = picture;
    const { origin, service } = await start((_request, response) => send(response, { ETag: `"${body.length}"` }, body));
    const [, before] = await service.outcome(origin.url("/"));
    body = otherPicture;
    service.pass(dayMs);
    const [cached, after] = await service.outcome(origin.url("/"));
    expect(cached).toBe("miss");
    expect((after as Metadata).blurhash).not.toBe((before as Metadata).blurhash);
    expect(service.decodes()).toBe(2);
  });

  test("a 304 to an unconditional request is a source_status failure", async () => {
    const { origin, service } = await start((_request, response) => response.writeHead(304).end());
    expect((await service.outcome(origin.url("/")))[1]).toBe("source_status");
  });

  test("an ETag header with two tags is not sent back", async () => {
    const { requests, origin, service } = await start((_request, response) => send(response, { ETag: '"a", "b"' }));
    await service.outcome(origin.url("/"));
    service.pass(dayMs);
    expect((await service.outcome(origin.url("/")))[0]).toBe("miss");
    expect(requests.at(-1)).toEqual(["/", [undefined, undefined]]);
  });
});

describe("revalidation behind redirects", () => {
  test("a redirect is requested unconditionally, and its target with the target's ETag", async () => {
    const { requests, origin, service } = await start((request, response) => {
      if (request.url === "/moved") response.writeHead(302, { Location: "/a", ETag: '"moved"' }).end();
      else sendUnlessCurrent(request, response, '"a"');
    });
    await service.outcome(origin.url("/moved"));
    service.pass(dayMs);
    expect((await service.outcome(origin.url("/moved")))[0]).toBe("revalidated");
    expect(requests.slice(2)).toEqual([
      ["/moved", [undefined, undefined]],
      ["/a", ['"a"', undefined]],
    ]);
  });

  test("a changed redirect does not send the ETag of its old target to the new one", async () => {
    let location = "/a";
    const { requests, origin, service } = await start((request, response) => {
      if (request.url === "/moved") response.writeHead(302, { Location: location }).end();
      else if (request.url === "/a") send(response, { ETag: '"same"' });
      else if (request.headers["if-none-match"]) response.writeHead(304).end();
      else send(response, { ETag: '"same"' }, otherPicture);
    });
    const [, before] = await service.outcome(origin.url("/moved"));
    location = "/b";
    service.pass(dayMs);
    const [cached, after] = await service.outcome(origin.url("/moved"));
    expect(cached).toBe("miss");
    expect((after as Metadata).sha256).not.toBe((before as Metadata).sha256);
    expect(requests.at(-1)).toEqual(["/b", [undefined, undefined]]);
  });

  test("the target of a redirect is not cached under its own URL", async () => {
    const { requests, origin, service } = await start((request, response) => {
      if (request.url === "/moved") response.writeHead(302, { Location: "/a" }).end();
      else send(response, {});
    });
    await service.outcome(origin.url("/moved"));
    expect((await service.outcome(origin.url("/a")))[0]).toBe("miss");
    expect(requests.map(([path]) => path)).toEqual(["/moved", "/a", "/a"]);
  });
});

describe("deduplicated decoding", () => {
  test("the same bytes at two URLs are decoded once, and each has its own filename", async () => {
    const { origin, service } = await start((request, response) =>
      send(response, { "Content-Disposition": `inline; filename="${request.url!.slice(1)}"` }),
    );
    const [, one] = await service.outcome(origin.url("/one.png"));
    const [, other] = await service.outcome(origin.url("/other.png"));
    expect(other).toEqual({ ...(one as Metadata), filename: "other.png" });
    expect(service.decodes()).toBe(1);
  });

  test("the same bytes in concurrent lookups are decoded once", async () => {
    const { origin, service } = await start((_request, response) => send(response, {}));
    const answers = await Promise.all(["/a", "/b", "/c"].map((path) => service.outcome(origin.url(path))));
    expect(new Set(answers.map(([, answer]) => (answer as Metadata).blurhash)).size).toBe(1);
    expect(service.decodes()).toBe(1);
  });

  test("a truncated body is not deduplicated with the whole one", async () => {
    const { origin, service } = await start((request, response) => {
      if (request.url === "/whole") return send(response, {});
      response.writeHead(200, { "Content-Length": picture.length });
      response.write(picture.subarray(0, -50), () => response.destroy());
    });
    expect((await service.outcome(origin.url("/half")))[1]).toMatchObject({ width: 32, blurhash: null });
    expect((await service.outcome(origin.url("/whole")))[1]).toMatchObject({ blurhash: expect.any(String) });
    expect((await service.outcome(origin.url("/half?2")))[1]).toMatchObject({ blurhash: null });
  });
});

describe("an unhealthy origin", () => {
  test("stale answers are served during a slow background refresh", async () => {
    let finish: (() => void) | undefined;
    let isSlow = false;
    const { requests, origin, service } = await start((_request, response) => {
      if (isSlow) finish = () => send(response, { "Cache-Control": "max-age=600" }, otherPicture);
      else send(response, { "Cache-Control": "max-age=600" });
    });
    const [, before] = await service.outcome(origin.url("/"));
    isSlow = true;
    service.pass(10.5 * minuteMs);
    for (let time = 0; time < 3; time += 1) expect(await service.outcome(origin.url("/"))).toEqual(["stale", before]);
    await expect.poll(() => finish).toBeDefined();
    finish!();
    await service.idle();
    const [cached, after] = await service.outcome(origin.url("/"));
    expect(cached).toBe("hit");
    expect((after as Metadata).sha256).not.toBe((before as Metadata).sha256);
    expect(requests).toHaveLength(2);
  });

  test("Retry-After stops the requests for all URLs of the host", async () => {
    let isBusy = false;
    const { requests, origin, service } = await start((_request, response) => {
      if (isBusy) response.writeHead(503, { "Retry-After": "1800" }).end();
      else send(response, {});
    });
    const known = origin.url("/known");
    const [, metadata] = await service.outcome(known);
    isBusy = true;
    service.pass(2 * hourMs);
    expect((await service.outcome(origin.url("/a")))[1]).toBe("source_status");
    expect((await service.outcome(origin.url("/b")))[1]).toBe("source_status");
    expect(await service.outcome(known)).toEqual(["stale", metadata]);
    expect(requests.map(([path]) => path)).toEqual(["/known", "/a"]);
    isBusy = false;
    service.pass(31 * minuteMs);
    expect((await service.outcome(origin.url("/b")))[1]).toMatchObject({ width: 32 });
  });

  test.for([
    ["500", (response: ServerResponse) => response.writeHead(500).end()],
    ["403", (response: ServerResponse) => response.writeHead(403).end()],
    ["a reset", (response: ServerResponse) => response.socket?.resetAndDestroy()],
    ["silence", () => undefined],
    [
      "a truncated body",
      (response: ServerResponse) =>
        response.writeHead(200, { "Content-Length": 99 }).write("a", () => response.destroy()),
    ],
  ] as const)("an origin that fails (%s) does not invalidate a success of the last day", async ([, fail]) => {
    let isHealthy = true;
    const { origin, service } = await start(
      (_request, response) => {
        if (isHealthy) send(response, {});
        else fail(response);
      },
      { fetchTimeoutMs: 300 },
    );
    const [, metadata] = await service.outcome(origin.url("/"));
    isHealthy = false;
    service.pass(12 * hourMs);
    expect(await service.outcome(origin.url("/"))).toEqual(["stale", metadata]);
    expect(await service.outcome(origin.url("/"))).toEqual(["stale", metadata]);
    expect(origin.requests).toBe(2);
  });

  test("a 404 removes the cached success", async () => {
    let isThere = true;
    const { origin, service } = await start((_request, response) => {
      if (isThere) send(response, {});
      else response.writeHead(404).end();
    });
    await service.outcome(origin.url("/"));
    isThere = false;
    service.pass(2 * hourMs);
    expect(await service.outcome(origin.url("/"))).toEqual(["miss", "source_status"]);
    expect(await service.outcome(origin.url("/"))).toEqual(["hit", "source_status"]);
  });
});

test("an invalidated target is requested unconditionally", async () => {
  const { requests, origin, service } = await start((request, response) => sendUnlessCurrent(request, response, '"a"'));
  await service.outcome(origin.url("/"));
  await service.invalidate(origin.url("/"));
  expect((await service.outcome(origin.url("/")))[0]).toBe("miss");
  expect(requests.at(-1)).toEqual(["/", [undefined, undefined]]);
});
