import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Metadata } from "../../../src/domain/metadata.ts";
import type { Decoder } from "../../../src/media/decoder.ts";
import { startDecoder } from "../../support/decoder.ts";
import { noise } from "../../support/images.ts";
import { startOrigin } from "../../support/origin.ts";
import { createRemembering } from "../../support/remembering.ts";

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

/** What it was asked with, of what matters here. */
function conditionsOf({ headers }: IncomingMessage): unknown {
  return [headers["if-none-match"], headers["if-modified-since"]];
}

function send(response: ServerResponse, headers: Record<string, string>, body: Buffer = picture): void {
  response.writeHead(200, { "Content-Type": "image/png", ...headers }).end(body);
}

function sendUnlessKnown(request: IncomingMessage, response: ServerResponse, etag: string): void {
  if (request.headers["if-none-match"] === etag) response.writeHead(304, { ETag: etag }).end();
  else send(response, { ETag: etag, "Cache-Control": "max-age=600" });
}

/** The service, and an origin that keeps what it was asked. */
async function start(responder: RequestListener, options = {}) {
  const asked: [path: string, conditions: unknown][] = [];
  const origin = await startOrigin(onTestFinished, (request, response) => {
    asked.push([request.url ?? "", conditionsOf(request)]);
    responder(request, response);
  });
  return { asked, origin, service: createRemembering(decoder, options) };
}

describe("asking again", () => {
  test("a 304 costs no body and no decode, and keeps the metadata", async () => {
    const { asked, origin, service } = await start((request, response) => sendUnlessKnown(request, response, '"a"'));
    const url = origin.url("/a.png");
    const [, metadata] = await service.outcome(url);
    expect(metadata).toMatchObject({ width: 32, blurhash: expect.any(String) });
    service.pass(dayMs);
    expect(await service.outcome(url)).toEqual(["revalidated", metadata]);
    expect(await service.outcome(url)).toEqual(["hit", metadata]);
    expect(asked).toEqual([
      ["/a.png", [undefined, undefined]],
      ["/a.png", ['"a"', undefined]],
    ]);
    expect(service.decodes()).toBe(1);
  });

  test("it goes on as long as the origin says so", async () => {
    const { asked, origin, service } = await start((request, response) => sendUnlessKnown(request, response, 'W/"a"'));
    const results = [];
    for (let day = 0; day < 4; day += 1) {
      results.push((await service.outcome(origin.url("/")))[0]);
      service.pass(dayMs);
    }
    expect(results).toEqual(["miss", "revalidated", "revalidated", "revalidated"]);
    expect(asked.at(-1)).toEqual(["/", ['W/"a"', undefined]]);
  });

  test("with a date, where there is no tag", async () => {
    const lastModified = "Tue, 10 Jun 2025 12:00:00 GMT";
    const { asked, origin, service } = await start((request, response) => {
      if (request.headers["if-modified-since"] === lastModified) response.writeHead(304).end();
      else send(response, { "Last-Modified": lastModified });
    });
    await service.outcome(origin.url("/"));
    service.pass(3 * dayMs);
    expect((await service.outcome(origin.url("/")))[0]).toBe("revalidated");
    expect(asked.at(-1)).toEqual(["/", [undefined, lastModified]]);
  });

  test("the same bytes, sent again, are not decoded again", async () => {
    const { origin, service } = await start((_request, response) => send(response, {}));
    const [, metadata] = await service.outcome(origin.url("/"));
    service.pass(dayMs);
    expect(await service.outcome(origin.url("/"))).toEqual(["miss", metadata]);
    expect(service.decodes()).toBe(1);
  });

  test("other bytes are", async () => {
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

  test("a 304 that was not asked for is a status like any other", async () => {
    const { origin, service } = await start((_request, response) => response.writeHead(304).end());
    expect((await service.outcome(origin.url("/")))[1]).toBe("source_status");
  });

  test("a tag that could be more than one is not sent", async () => {
    const { asked, origin, service } = await start((_request, response) => send(response, { ETag: '"a", "b"' }));
    await service.outcome(origin.url("/"));
    service.pass(dayMs);
    expect((await service.outcome(origin.url("/")))[0]).toBe("miss");
    expect(asked.at(-1)).toEqual(["/", [undefined, undefined]]);
  });
});

describe("redirects", () => {
  test("what they lead to is asked with its own tag, and they are not", async () => {
    const { asked, origin, service } = await start((request, response) => {
      if (request.url === "/moved") response.writeHead(302, { Location: "/a", ETag: '"moved"' }).end();
      else sendUnlessKnown(request, response, '"a"');
    });
    await service.outcome(origin.url("/moved"));
    service.pass(dayMs);
    expect((await service.outcome(origin.url("/moved")))[0]).toBe("revalidated");
    expect(asked.slice(2)).toEqual([
      ["/moved", [undefined, undefined]],
      ["/a", ['"a"', undefined]],
    ]);
  });

  test("one that leads elsewhere by now is not asked with the tag of where it led before", async () => {
    let location = "/a";
    const { asked, origin, service } = await start((request, response) => {
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
    expect(asked.at(-1)).toEqual(["/b", [undefined, undefined]]);
  });

  test("what they lead to is not remembered under its own URL", async () => {
    const { asked, origin, service } = await start((request, response) => {
      if (request.url === "/moved") response.writeHead(302, { Location: "/a" }).end();
      else send(response, {});
    });
    await service.outcome(origin.url("/moved"));
    expect((await service.outcome(origin.url("/a")))[0]).toBe("miss");
    expect(asked.map(([path]) => path)).toEqual(["/moved", "/a", "/a"]);
  });
});

describe("the same bytes at another URL", () => {
  test("are not decoded again, and keep their own name", async () => {
    const { origin, service } = await start((request, response) =>
      send(response, { "Content-Disposition": `inline; filename="${request.url!.slice(1)}"` }),
    );
    const [, one] = await service.outcome(origin.url("/one.png"));
    const [, other] = await service.outcome(origin.url("/other.png"));
    expect(other).toEqual({ ...(one as Metadata), filename: "other.png" });
    expect(service.decodes()).toBe(1);
  });

  test("nor are they where they come at the same time", async () => {
    const { origin, service } = await start((_request, response) => send(response, {}));
    const answers = await Promise.all(["/a", "/b", "/c"].map((path) => service.outcome(origin.url(path))));
    expect(new Set(answers.map(([, answer]) => (answer as Metadata).blurhash)).size).toBe(1);
    expect(service.decodes()).toBe(1);
  });

  test("half of them tell nothing of the whole", async () => {
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

describe("an origin in trouble", () => {
  test("is asked in the background while what is stale is answered, however long it takes", async () => {
    let finish: (() => void) | undefined;
    let isSlow = false;
    const { asked, origin, service } = await start((_request, response) => {
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
    expect(asked).toHaveLength(2);
  });

  test("that says Retry-After is left alone, whichever of its URLs is asked for", async () => {
    let isBusy = false;
    const { asked, origin, service } = await start((_request, response) => {
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
    expect(asked.map(([path]) => path)).toEqual(["/known", "/a"]);
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
      "a cut body",
      (response: ServerResponse) =>
        response.writeHead(200, { "Content-Length": 99 }).write("a", () => response.destroy()),
    ],
  ] as const)("(%s) leaves a success of the last day standing", async ([, fail]) => {
    let isWell = true;
    const { origin, service } = await start(
      (_request, response) => {
        if (isWell) send(response, {});
        else fail(response);
      },
      { fetchTimeoutMs: 300 },
    );
    const [, metadata] = await service.outcome(origin.url("/"));
    isWell = false;
    service.pass(12 * hourMs);
    expect(await service.outcome(origin.url("/"))).toEqual(["stale", metadata]);
    expect(await service.outcome(origin.url("/"))).toEqual(["stale", metadata]);
    expect(origin.requests).toBe(2);
  });

  test("that says it is gone (404) takes the success away", async () => {
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

test("what was forgotten is asked for without a condition", async () => {
  const { asked, origin, service } = await start((request, response) => sendUnlessKnown(request, response, '"a"'));
  await service.outcome(origin.url("/"));
  await service.forget(origin.url("/"));
  expect((await service.outcome(origin.url("/")))[0]).toBe("miss");
  expect(asked.at(-1)).toEqual(["/", [undefined, undefined]]);
});
