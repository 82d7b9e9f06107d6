import { createHash } from "node:crypto";
import type { IncomingHttpHeaders, OutgoingHttpHeaders, RequestListener } from "node:http";
import type { Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { describe, expect, test, type TestContext } from "vitest";
import { createHostHealth, hostHealthLimits } from "../../../src/fetch/host-health.ts";
import type { Shares } from "../../../src/fetch/shares.ts";
import { type Source, sourceLimits } from "../../../src/fetch/source.ts";
import { urlHash } from "../../../src/fetch/terms.ts";
import { createFetcher, noShares, unmeasured } from "../../support/fetch.ts";
import { noise } from "../../support/images.ts";
import { startOrigin, startSpeakingOrigin } from "../../support/origin.ts";
import { silenceAddress } from "../../support/silent-address.ts";

const picture = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");

describe("a response with success", () => {
  test("a source returns the declared metadata and all bytes of the body", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.setHeader("Content-Type", "Image/GIF; a=b");
      response.setHeader("Content-Length", picture.length);
      response.setHeader("Content-Disposition", "attachment; filename*=UTF-8''caf%C3%A9.gif");
      response.end(picture);
    });
    const { open, budget } = createFetcher();
    const source = await open(origin.url("/a"));
    expect(source).toMatchObject({ declaredBytes: picture.length, declaredType: "image/gif", filename: "café.gif" });
    expect((await source.arrived(6)).subarray(0, 6)).toEqual(new Uint8Array(Buffer.from("GIF89a")));
    const { bytes, sha256, warning } = await source.body();
    expect(Buffer.from(bytes)).toEqual(picture);
    expect(sha256).toBe(createHash("sha256").update(picture).digest("hex"));
    expect(warning).toBeNull();
    source.close();
    expect(budget.used).toBe(0);
    await origin.idle();
  });

  test("a response head that arrives in many pieces is read as sent", async ({ onTestFinished }) => {
    const fillers = Array.from({ length: 12 }, (_, index) => `X-${index}: ${"x".repeat(100)}\r\n`);
    const disposition = "Content-Disposition: attachment; filename=sent.gif\r\n";
    const pieces = ["HTTP/1.1 200 OK\r\nContent-Ty", "pe: image/gif\r\n", disposition, ...fillers, "\r\n", "abc"];
    const send = async (socket: Socket) => {
      for (const piece of pieces) {
        socket.write(piece);
        await setTimeout(5); // so that each piece is read separately
      }
      socket.end();
    };
    const origin = await startSpeakingOrigin(onTestFinished, (socket) => void send(socket));
    const source = await createFetcher().open(origin.url("/a"));
    expect(source).toMatchObject({ declaredType: "image/gif", filename: "sent.gif" });
    expect(Buffer.from((await source.body()).bytes).toString()).toBe("abc");
  });

  test("a body without Content-Length is counted to its end", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.write(picture.subarray(0, 20)); // no length yet, so Node sends it chunked
      response.end(picture.subarray(20));
    });
    const source = await createFetcher().open(origin.url("/"));
    expect(source).toMatchObject({ declaredBytes: null, declaredType: null, filename: null });
    expect((await source.body()).bytes).toHaveLength(picture.length);
  });

  test("a body without any framing is read until the connection ends", async ({ onTestFinished }) => {
    const origin = await startSpeakingOrigin(onTestFinished, (socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nabc"));
    const body = await (await createFetcher().open(origin.url("/"))).body();
    expect([Buffer.from(body.bytes).toString(), body.warning]).toEqual(["abc", null]);
  });

  test("a body may be empty", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end());
    const body = await (await createFetcher().open(origin.url("/"))).body();
    expect([body.bytes.length, body.warning]).toEqual([0, null]);
    expect(body.sha256).toBe(createHash("sha256").digest("hex"));
  });

  test("a response altered by a proxy (203) is a success", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.writeHead(203).end("abc"));
    expect(await createFetcher().outcome(origin.url("/"))).toBe("ok");
  });

  test("a body of 16 MB arrives whole", async ({ onTestFinished }) => {
    const large = Buffer.alloc(16_777_216, "media");
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(large));
    const source = await createFetcher({ maxBytes: large.length }).open(origin.url("/"));
    const { bytes, sha256 } = await source.body();
    expect(bytes.length).toBe(large.length);
    expect(sha256).toBe(createHash("sha256").update(large).digest("hex"));
  });
});

describe("the request", () => {
  test("the request has only the headers host, connection, user-agent, accept and accept-encoding", async ({
    onTestFinished,
  }) => {
    let heard: string[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      heard = [`${request.method ?? ""} ${request.url ?? ""}`, ...request.rawHeaders];
      response.end();
    });
    await createFetcher().outcome(origin.url("/a%20b/ü?c=d&e#f"));
    expect(heard).toEqual([
      "GET /a%20b/%C3%BC?c=d&e",
      "host",
      `127.0.0.1:${origin.port}`,
      "connection",
      "close",
      "user-agent",
      "media-oracle/test",
      "accept",
      "image/*, video/*, audio/*, */*;q=0.5",
      "accept-encoding",
      "identity",
    ]);
  });

  test("each request makes a new connection, although the origin offers keep-alive", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end("abc"));
    const { outcome } = createFetcher();
    expect([await outcome(origin.url("/")), await outcome(origin.url("/"))]).toEqual(["ok", "ok"]);
    expect(origin.connections).toBe(2);
    await origin.idle();
  });

  test("Happy Eyeballs: a name with several addresses, one of them silent, is reached", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end("abc"));
    await silenceAddress(onTestFinished, "127.0.0.2", origin.port);
    const silent = createFetcher({ addresses: ["127.0.0.2"], connectTimeoutMs: 300 });
    expect(await silent.outcome(`http://media.example.net:${origin.port}/`)).toBe("source_unreachable timeout");
    const { outcome } = createFetcher({ addresses: ["127.0.0.2", "127.0.0.1"] });
    expect(await outcome(`http://media.example.net:${origin.port}/`)).toBe("ok");
  });

  test("Happy Eyeballs: a refusing address does not end the wait for a silent one", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end("abc"));
    await silenceAddress(onTestFinished, "127.0.0.2", origin.port);
    const { outcome } = createFetcher({ addresses: ["127.0.0.2", "127.0.0.3"], connectTimeoutMs: 500 });
    expect(await outcome(`http://media.example.net:${origin.port}/`)).toBe("source_unreachable timeout");
  });

  test("Happy Eyeballs: a name with several addresses, one of them refusing, is reached", async ({
    onTestFinished,
  }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end("abc"));
    const { outcome } = createFetcher({ addresses: ["127.0.0.2", "127.0.0.1"] });
    expect(await outcome(`http://media.example.net:${origin.port}/`)).toBe("ok");
  });
});

describe("any other status", () => {
  /** Creates the memory of backoffs as the program does. */
  const createHealth = () =>
    createHostHealth({
      ...hostHealthLimits,
      defaultBackoffMs: 60_000,
      now: () => performance.now(),
      epochNow: Date.now,
    });

  test.for([429, 503])(
    "after a status %i the origin is not asked again for its Retry-After",
    async (status, { onTestFinished }) => {
      const origin = await startOrigin(onTestFinished, (_request, response) => {
        response.writeHead(status, { "Retry-After": "1000" }).end();
      });
      const { open } = createFetcher({ hostHealth: createHealth() });
      const failure = { code: "source_status", upstreamStatus: status };
      await expect(open(origin.url("/a"))).rejects.toMatchObject({ ...failure, retryAfterMs: 1_000_000 });
      await expect(open(origin.url("/b"))).rejects.toMatchObject({
        ...failure,
        retryAfterMs: expect.any(Number) as number,
      });
      expect(origin.requests).toBe(1);
    },
  );

  test.for([404, 428, 430, 500, 502, 504])(
    "a status %i begins no backoff, with any Retry-After",
    async (status, { onTestFinished }) => {
      const origin = await startOrigin(onTestFinished, (_request, response) => {
        response.writeHead(status, { "Retry-After": "1000" }).end();
      });
      const { open } = createFetcher({ hostHealth: createHealth() });
      for (let time = 0; time < 2; time += 1) {
        const failure = { upstreamStatus: status, retryAfterMs: undefined };
        await expect(open(origin.url("/"))).rejects.toMatchObject(failure);
      }
      expect(origin.requests).toBe(2);
    },
  );

  test("an origin that refuses a range with 503 is not asked again for its Retry-After", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (request, response) => {
      if (request.headers.range !== undefined) response.writeHead(503, { "Retry-After": "1000" }).end();
      else response.writeHead(200, { "Content-Length": 1000 }).write("a");
    });
    const { open, outcome } = createFetcher({ hostHealth: createHealth() });
    using source = await open(origin.url("/"));
    expect(await source.range(500, 600)).toBeNull();
    expect(await outcome(origin.url("/"))).toBe("source_status 503");
    expect(origin.requests).toBe(2);
  });

  test.for([201, 202, 204, 205, 206, 300, 304, 400, 401, 403, 404, 410, 416, 429, 451, 500, 502, 503, 599])(
    "status %i is not a success",
    async (status, { onTestFinished }) => {
      const origin = await startOrigin(onTestFinished, (_request, response) => {
        response.writeHead(status, { Location: "/elsewhere" }).end();
      });
      expect(await createFetcher().outcome(origin.url("/"))).toBe(`source_status ${status}`);
      await origin.idle();
    },
  );

  test("a redirect without Location is an error status", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.writeHead(302).end());
    expect(await createFetcher().outcome(origin.url("/"))).toBe("source_status 302");
  });
});

describe("the wait for the origin", () => {
  /** Counts the waits that are not over. */
  function createTransfer() {
    let waits = 0;
    function wait() {
      let isOver = false;
      waits += 1;
      return () => {
        if (!isOver) waits -= 1;
        isOver = true;
      };
    }
    const transfer = { ...unmeasured(AbortSignal.timeout(10_000)), wait };
    return {
      transfer,
      get waits() {
        return waits;
      },
    };
  }

  test("a lookup waits for the origin until its head, its body or its failure arrives", async ({ onTestFinished }) => {
    const measured = createTransfer();
    const during: number[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      during.push(measured.waits);
      if (request.url === "/404") response.writeHead(404).end();
      else if (request.headers.range === undefined)
        response.writeHead(200, { "Content-Length": 9000 }).write(Buffer.alloc(5000));
      else response.writeHead(206, { "Content-Range": "bytes 6000-8999/9000" }).end(Buffer.alloc(3000));
    });
    const { openSource, parseTarget } = createFetcher();
    const open = (path: string) => openSource(parseTarget(origin.url(path)), null, measured.transfer);
    await expect(open("/404")).rejects.toThrow();
    expect(measured.waits).toBe(0);
    using source = (await open("/")) as Source;
    await source.arrived(4096);
    expect(measured.waits).toBe(0);
    expect(await source.range(6000, 9000)).toHaveLength(3000);
    expect(measured.waits).toBe(0);
    const body = source.body();
    expect(measured.waits).toBe(1);
    source.stop();
    await body;
    expect(measured.waits).toBe(0);
    expect(during).toEqual([1, 1, 1]);
  });
});

describe("a conditional request", () => {
  const date = "Tue, 10 Jun 2025 12:00:00 GMT";
  const later = "Tue, 10 Jun 2025 13:00:00 GMT";

  test.for<[headers: OutgoingHttpHeaders, etag: string, lastModified: string]>([
    [{}, '"1"', date],
    [{ ETag: '"2"' }, '"2"', date],
    [{ "Last-Modified": later }, '"1"', later],
    [{ ETag: '"2"', "Last-Modified": later }, '"2"', later],
    [{ ETag: "invalid" }, '"1"', date],
  ])("a 304 with %j has the validators %s and %s", async ([headers, etag, lastModified], { onTestFinished }) => {
    const asked: IncomingHttpHeaders[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      asked.push(request.headers);
      response.writeHead(304, { ...headers, "Cache-Control": "max-age=5" }).end();
    });
    const { reopen, parseTarget } = createFetcher();
    const url = origin.url("/");
    const validators = { etag: '"1"', lastModified: date, urlHash: urlHash(parseTarget(url)) };
    using answer = await reopen(url, validators);
    expect(answer).toMatchObject({
      isNotModified: true,
      terms: {
        isRedirected: false,
        cacheControl: "max-age=5",
        lastModified,
        validators: { ...validators, etag, lastModified },
      },
    });
    expect(asked[0]).toMatchObject({ "if-none-match": '"1"', "if-modified-since": date });
  });

  test("validators are sent to no other URL than theirs, and a 304 without them is an error", async ({
    onTestFinished,
  }) => {
    const asked: (string | undefined)[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      asked.push(request.headers["if-none-match"]);
      if (request.url === "/moved") response.writeHead(302, { Location: "/" }).end();
      else response.writeHead(304).end();
    });
    const { reopen, parseTarget } = createFetcher();
    const validators = { etag: '"1"', lastModified: null, urlHash: urlHash(parseTarget(origin.url("/moved"))) };
    await expect(reopen(origin.url("/moved"), validators)).rejects.toMatchObject({ upstreamStatus: 304 });
    expect(asked).toEqual(['"1"', undefined]);
  });

  test("a status of failure is no 304", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.writeHead(404).end());
    const { reopen, parseTarget } = createFetcher();
    const validators = { etag: '"1"', lastModified: null, urlHash: urlHash(parseTarget(origin.url("/"))) };
    await expect(reopen(origin.url("/"), validators)).rejects.toMatchObject({ upstreamStatus: 404 });
  });

  test("a source behind a redirect is marked as redirected", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (request, response) => {
      if (request.url === "/moved") response.writeHead(302, { Location: "/" });
      response.end();
    });
    const { open } = createFetcher();
    for (const [path, isRedirected] of [
      ["/", false],
      ["/moved", true],
    ] as const) {
      using source = await open(origin.url(path));
      expect(source).toMatchObject({ isNotModified: false, terms: { isRedirected } });
    }
  });
});

describe("bounds", () => {
  test.for([
    [999, false],
    [1000, false],
    [1001, true],
  ] as const)(
    "a Content-Length of %i is too large for a limit of 1,000 bytes: %s",
    async ([bytes, isTooLarge], { onTestFinished }) => {
      const origin = await startOrigin(onTestFinished, (_request, response) => {
        response.writeHead(200, { "Content-Length": bytes }).write("a");
      });
      using source = await createFetcher({ maxBytes: 1000 }).open(origin.url("/"));
      expect(source).toMatchObject({ declaredBytes: bytes, isTooLarge });
    },
  );

  test("the memory of a body counts against the site of the URL and the address of the connection", async ({
    onTestFinished,
  }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end("abc"));
    const seen: string[] = [];
    const siteOfBody: Shares["siteOfBody"] = ({ href }, address) => {
      seen.push(`${href} at ${address}`);
      return null;
    };
    const { outcome } = createFetcher({ shares: { ...noShares, siteOfBody } });
    const url = `http://media.example.net:${origin.port}/`;
    expect(await outcome(url)).toBe("ok");
    expect(seen).toEqual([`${url} at 127.0.0.1`]);
  });

  test("only the head of a body is read if Content-Length exceeds the limit", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(200, { "Content-Length": 10_000_000_000 });
      response.write(Buffer.alloc(100_000, "a"));
    });
    const { open, budget } = createFetcher();
    const source = await open(origin.url("/"));
    expect(source.declaredBytes).toBe(10_000_000_000);
    const body = await source.body();
    expect([body.bytes.length, body.sha256, body.warning]).toEqual([4096, null, "body_too_large"]);
    await origin.idle();
    source.close();
    expect(budget.used).toBe(0);
  });

  test("the service reads 64 KiB of a body that is too large", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(200, { "Content-Length": 200_000 }).end(Buffer.alloc(200_000));
    });
    using source = await createFetcher({ ...sourceLimits, maxBytes: 100_000 }).open(origin.url("/"));
    const { bytes, warning } = await source.body();
    expect([bytes.length, warning]).toEqual([65_536, "body_too_large"]);
  });

  test("an endless body is cut at the limit, and its head is kept", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      const pour = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on("drain", pour);
      pour();
    });
    const { open, budget } = createFetcher();
    const source = await open(origin.url("/"));
    const body = await source.body();
    expect([body.bytes.length, body.warning]).toEqual([4096, "body_too_large"]);
    await origin.idle();
    expect(budget.used).toBe(4096);
  });

  test("a body of exactly the limit is whole, but not with one byte more", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (request, response) => {
      response.write("a".repeat(Number(request.url?.slice(1))));
      response.end();
    });
    const { outcome } = createFetcher({ maxBytes: 1000, headBytes: 10 });
    expect(await outcome(origin.url("/1000"))).toBe("ok");
    expect(await outcome(origin.url("/1001"))).toBe("body_too_large");
  });

  test("a new body that would exceed the byte budget is overloaded, and the others continue", async ({
    onTestFinished,
  }) => {
    let finish = () => undefined as unknown;
    const origin = await startOrigin(onTestFinished, (request, response) => {
      response.write(Buffer.alloc(60_000));
      if (request.url === "/first") finish = () => response.end();
      else response.end();
    });
    const { open, outcome, budget } = createFetcher({ budgetBytes: 100_000 });
    const first = await open(origin.url("/first"));
    await first.arrived(60_000);
    expect(await outcome(origin.url("/second"))).toBe("overloaded");
    finish();
    expect((await first.body()).bytes).toHaveLength(60_000);
    first.close();
    expect(budget.used).toBe(0);
    expect(await outcome(origin.url("/third"))).toBe("ok");
    await origin.idle();
  });

  test("a source that is closed while its body arrives ends the connection and frees its memory", async ({
    onTestFinished,
  }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.write(Buffer.alloc(50_000));
    });
    const { open, budget } = createFetcher();
    const source = await open(origin.url("/"));
    await source.arrived(50_000);
    source.close();
    source.close();
    await origin.idle();
    expect(budget.used).toBe(0);
    expect((await source.body()).warning).toBe("body_timeout");
  });

  test("a stopped source ends the connection, and its bytes so far can still be read", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.write("abc");
    });
    const source = await createFetcher().open(origin.url("/"));
    await source.arrived(3);
    source.stop();
    await origin.idle();
    const body = await source.body();
    expect([Buffer.from(body.bytes).toString(), body.sha256, body.warning]).toEqual(["abc", null, null]);
    source.close();
  });

  test("the signal ends a body at once, with the bytes so far", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.write("abc");
    });
    const source = await createFetcher().open(origin.url("/"), 300);
    const body = await source.body();
    expect([Buffer.from(body.bytes).toString(), body.warning]).toEqual(["abc", "body_timeout"]);
    await origin.idle();
  });

  test("a lookup that is aborted before it begins makes no connection", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end());
    expect(await createFetcher().outcome(origin.url("/"), AbortSignal.abort())).toBe("source_unreachable timeout");
    expect(origin.connections).toBe(0);
  });
});

describe("a coded body", () => {
  test.for(["zstd", "compress", "x-compress", "dcb", "dcz", "gzip, gzip", "gzip, zstd"])(
    "a body with Content-Encoding %s is not read: only its declared type is known",
    async (coding, { onTestFinished }) => {
      const origin = await startOrigin(onTestFinished, (_request, response) => {
        response.writeHead(200, { "Content-Encoding": coding, "Content-Length": 1000, "Content-Type": "image/png" });
        response.write(Buffer.alloc(500));
      });
      const { open, budget } = createFetcher();
      const source = await open(origin.url("/"));
      expect([source.declaredBytes, source.declaredType]).toEqual([null, "image/png"]);
      expect(source).toMatchObject({ isNotModified: false, isTooLarge: false, received: new Uint8Array(0) });
      expect(await source.arrived(10)).toHaveLength(0);
      expect(await source.range(10, 20)).toBeNull();
      const body = { bytes: new Uint8Array(0), sha256: null, warning: "body_encoded" };
      expect(await source.body()).toEqual(body);
      expect(source.outcome).toEqual(body);
      await origin.idle();
      expect(budget.used).toBe(0);
    },
  );
});

describe("a body that is decoded", () => {
  const file = Buffer.from(noise(300_000, 1, 1));
  const coded = gzipSync(file);
  const sha256 = createHash("sha256").update(file).digest("hex");
  const headers = { "Content-Encoding": "gzip", "Content-Length": coded.length, ETag: '"1"', "Accept-Ranges": "bytes" };

  test("a decoded body has the size and the hash of the file, no declared length, and no ranges", async ({
    onTestFinished,
  }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(200, headers).end(coded);
    });
    const { open, budget } = createFetcher({ maxBytes: file.length });
    const source = await open(origin.url("/"));
    expect([source.declaredBytes, source.isTooLarge, await source.range(10, 20)]).toEqual([null, false, null]);
    const body = await source.body();
    expect([body.bytes.length, body.sha256, body.warning]).toEqual([file.length, sha256, null]);
    expect(origin.connections).toBe(1);
    source.close();
    expect(budget.used).toBe(0);
    await origin.idle();
  });

  test("the next lookup of a decoded body that was cut does not request its rest", async ({ onTestFinished }) => {
    const asked: IncomingHttpHeaders[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      asked.push(request.headers);
      response.writeHead(200, headers);
      if (asked.length > 1) response.end(coded);
      else response.write(coded.subarray(0, 500_000), () => response.destroy());
    });
    const { open } = createFetcher({ maxBytes: file.length });
    using first = await open(origin.url("/"));
    const { warning, bytes } = await first.body();
    expect([warning, bytes.length > 64 * 1024]).toEqual(["body_truncated", true]);
    first.close();
    using second = await open(origin.url("/"));
    expect(await second.body()).toMatchObject({ sha256 });
    expect(asked.map(({ range }) => range)).toEqual([undefined, undefined]);
  });

  test("a decoded body that is not requested is held back at its origin, and its deadline ends it", async ({
    onTestFinished,
  }) => {
    const large = gzipSync(Buffer.from(noise(6_000_000, 1, 1)), { level: 1 });
    let isSent = false;
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(200, { "Content-Encoding": "gzip" }).end(large, () => (isSent = true));
    });
    const { open, budget } = createFetcher({ maxBytes: 100_000_000 });
    const source = await open(origin.url("/"), 3000);
    await source.arrived(1);
    await setTimeout(300);
    expect(isSent).toBe(false);
    expect(budget.used).toBeLessThan(1_000_000);
    await origin.idle();
    expect((await source.body()).warning).toBe("body_timeout");
    source.close();
    expect(budget.used).toBe(0);
  });
});

describe("a 206 to a request without a range", () => {
  const body = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * 7) % 251));

  test("the next lookup requests the rest of a part that begins with the first byte", async ({ onTestFinished }) => {
    const asked: IncomingHttpHeaders[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      asked.push(request.headers);
      const from = asked.length === 1 ? 0 : 100_000;
      const range = `bytes ${from}-${from + 99_999}/200000`;
      response.writeHead(206, { "Content-Range": range, ETag: '"1"' }).end(body.subarray(from, from + 100_000));
    });
    const { open } = createFetcher();
    using first = await open(origin.url("/"));
    expect(await first.body()).toMatchObject({ sha256: null, warning: "body_truncated" });
    expect(first.declaredBytes).toBe(body.length);
    first.close();
    using second = await open(origin.url("/"));
    expect(Buffer.from((await second.body()).bytes).equals(body)).toBe(true);
    expect(asked.map(({ range }) => range)).toEqual([undefined, "bytes=100000-"]);
  });
});

describe("ranges of a body", () => {
  const body = Buffer.from(Array.from({ length: 50_000 }, (_, at) => at % 251));

  /** Starts an origin that answers range requests with `answer`, and others with the beginning of the whole. */
  async function startRanges(
    onTestFinished: TestContext["onTestFinished"],
    answer: RequestListener,
    headers: OutgoingHttpHeaders = {},
  ) {
    const asked: IncomingHttpHeaders[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      asked.push(request.headers);
      if (request.headers.range !== undefined) return answer(request, response);
      response.writeHead(200, { "Content-Length": body.length, ...headers }).write(body.subarray(0, 1000));
    });
    return { origin, asked };
  }

  const partial =
    (contentRange: string): RequestListener =>
    (_request, response) => {
      response.writeHead(206, { "Content-Range": contentRange }).end(body.subarray(40_000));
    };

  test("a range of a body is fetched by a request of its own, and its memory is freed", async ({ onTestFinished }) => {
    const { origin, asked } = await startRanges(onTestFinished, partial("bytes 40000-49999/50000"));
    const { open, budget } = createFetcher();
    const source = await open(origin.url("/"));
    expect(Buffer.from((await source.range(40_000, 50_000))!)).toEqual(body.subarray(40_000));
    expect(asked.map(({ range }) => range)).toEqual([undefined, "bytes=40000-"]);
    source.close();
    expect(budget.used).toBe(0);
    await origin.idle();
  });

  test.for<[validators: OutgoingHttpHeaders, ifRange: string | undefined]>([
    [{ ETag: '"1"', "Last-Modified": "Sat, 28 Nov 2026 00:00:00 GMT" }, '"1"'],
    [{ ETag: 'W/"1"', "Last-Modified": "Sat, 28 Nov 2026 00:00:00 GMT" }, "Sat, 28 Nov 2026 00:00:00 GMT"],
    [{ ETag: 'W/"1"' }, undefined],
    [{}, undefined],
  ])("a response with %j makes a range request with If-Range %s", async ([validators, ifRange], { onTestFinished }) => {
    const answer: RequestListener = (_request, response) => {
      const tag = validators.ETag === undefined ? {} : { ETag: validators.ETag };
      response.writeHead(206, { "Content-Range": "bytes 40000-49999/50000", ...tag }).end(body.subarray(40_000));
    };
    const { origin, asked } = await startRanges(onTestFinished, answer, validators);
    const source = await createFetcher().open(origin.url("/"));
    expect(await source.range(40_000, 50_000)).toHaveLength(10_000);
    expect(asked[1]?.["if-range"]).toBe(ifRange);
    source.close();
  });

  test.for<[first: OutgoingHttpHeaders, then: OutgoingHttpHeaders]>([
    [{ ETag: '"1"' }, { ETag: '"2"' }],
    [{ ETag: '"1"' }, {}],
    [{}, { ETag: '"2"' }],
    [{ ETag: '"1"' }, { "Last-Modified": "Sat, 28 Nov 2026 00:00:01 GMT" }],
  ])(
    "a range with %j and %j before it is of another version, and refused",
    async ([first, then], { onTestFinished }) => {
      const answer: RequestListener = (_request, response) =>
        response.writeHead(206, { "Content-Range": "bytes 40000-49999/50000", ...then }).end(body.subarray(40_000));
      const { origin } = await startRanges(onTestFinished, answer, first);
      const source = await createFetcher().open(origin.url("/"));
      expect(await source.range(40_000, 50_000)).toBeNull();
      source.close();
    },
  );

  test.for<[name: string, answer: RequestListener]>([
    ["the server refuses the range, as Prosody does", (_request, response) => response.writeHead(416).end()],
    ["the server does not know ranges, and sends all", (_request, response) => response.writeHead(200).end(body)],
    ["the server hangs up", (_request, response) => response.destroy()],
    ["the server redirects", (_request, response) => response.writeHead(302, { Location: "/other" }).end()],
    ["another part comes", partial("bytes 30000-49999/50000")],
    ["a part of it comes", partial("bytes 40000-41000/50000")],
    ["it is of another length by now", partial("bytes 40000-59999/60000")],
    ["it is not said which part it is", (_request, response) => response.writeHead(206).end(body)],
    [
      "it is coded",
      (_request, response) =>
        response.writeHead(206, { "Content-Range": "bytes 40000-49999/50000", "Content-Encoding": "gzip" }).end("abc"),
    ],
    [
      "more arrives than the range has",
      (_request, response) => {
        response.writeHead(206, { "Content-Range": "bytes 40000-49999/50000" }).write(Buffer.alloc(200_000));
      },
    ],
    [
      "the connection breaks in the middle of it",
      (_request, response) => {
        response.writeHead(206, { "Content-Range": "bytes 40000-49999/50000", "Content-Length": 10_000 });
        response.write(body.subarray(40_000, 45_000), () => response.destroy());
      },
    ],
  ])("there is no range if %s, no second request, and the body goes on", async ([, answer], { onTestFinished }) => {
    const { origin, asked } = await startRanges(onTestFinished, answer);
    const source = await createFetcher().open(origin.url("/"));
    expect(await source.range(40_000, 50_000)).toBeNull();
    expect(await source.range(30_000, 50_000)).toBeNull();
    expect(asked).toHaveLength(2);
    expect(await source.arrived(1000)).toHaveLength(1000);
    source.close();
    await origin.idle();
  });

  test("a range with a byte too many is refused at once, although the response goes on", async ({ onTestFinished }) => {
    const { origin } = await startRanges(onTestFinished, (_request, response) => {
      response.writeHead(206, { "Content-Range": "bytes 40000-49999/50000" }).write(Buffer.alloc(10_001));
    });
    using source = await createFetcher().open(origin.url("/"), 30_000);
    expect(
      await Promise.race([source.range(40_000, 50_000), setTimeout(20_000, "waiting", { ref: false })]),
    ).toBeNull();
  });

  test("a range is not requested from the first byte, beyond the end, or if it is too long", async ({
    onTestFinished,
  }) => {
    const { origin, asked } = await startRanges(onTestFinished, (_request, response) => response.destroy());
    const source = await createFetcher().open(origin.url("/"));
    expect([await source.range(0, 10), await source.range(49_999, 50_001)]).toEqual([null, null]);
    const huge = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(200, { "Content-Length": 100_000_000 }).write("a");
    });
    const other = await createFetcher().open(huge.url("/"));
    expect([other.isTooLarge, await other.range(1, 90_000_000), huge.requests]).toEqual([true, null, 1]);
    expect(asked).toHaveLength(1);
    for (const opened of [source, other]) opened.close();
  });
});

describe("a body whose transfer was too slow", () => {
  const body = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * 7) % 251));
  const sent = 100_000;

  /** Starts an origin that stops after the first half, and then answers with `second`. */
  async function startStopping(onTestFinished: TestContext["onTestFinished"], second: RequestListener, headers = {}) {
    const asked: IncomingHttpHeaders[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      asked.push(request.headers);
      if (asked.length > 1) return void second(request, response);
      const first = { "Content-Length": body.length, "Content-Type": "image/png", ETag: '"1"', ...headers };
      response.writeHead(200, first).write(body.subarray(0, sent));
    });
    const { open, budget } = createFetcher();
    using source = await open(origin.url("/a"), 500);
    expect(await source.body()).toMatchObject({ warning: "body_timeout" });
    return { origin, asked, open, budget };
  }

  test("the next lookup requests only the rest, and has the whole body", async ({ onTestFinished }) => {
    const { origin, asked, open, budget } = await startStopping(onTestFinished, (_request, response) => {
      const range = `bytes ${sent}-${body.length - 1}/${body.length}`;
      response.writeHead(206, { "Content-Range": range, ETag: '"1"' }).end(body.subarray(sent));
    });
    const source = await open(origin.url("/a"));
    const whole = await source.body();
    expect(asked[1]).toMatchObject({ range: `bytes=${sent}-`, "if-range": '"1"' });
    expect(source).toMatchObject({ declaredBytes: body.length, declaredType: "image/png" });
    expect(Buffer.from(whole.bytes).equals(body)).toBe(true);
    expect(whole.sha256).toBe(createHash("sha256").update(body).digest("hex"));
    source.close();
    expect(budget.used).toBe(0);
  });

  test("the next lookup of a body that was cut by a reset requests only the rest", async ({ onTestFinished }) => {
    const asked: (string | undefined)[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      asked.push(request.headers.range);
      response.writeHead(200, { "Content-Length": body.length, ETag: '"1"' });
      response.write(body.subarray(0, sent), () => response.destroy());
    });
    const { open } = createFetcher();
    for (let time = 0; time < 2; time += 1) {
      using source = await open(origin.url("/a"));
      expect(await source.body()).toMatchObject({ warning: "body_truncated" });
    }
    expect(asked).toEqual([undefined, `bytes=${sent}-`]);
  });

  test("the next lookup of a body that was stopped or too large requests all of it", async ({ onTestFinished }) => {
    const asked: (string | undefined)[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      asked.push(request.headers.range);
      response.writeHead(200, { "Content-Length": body.length, ETag: '"1"' }).write(body.subarray(0, sent));
    });
    const { open } = createFetcher();
    using stopped = await open(origin.url("/a"));
    await stopped.arrived(sent);
    stopped.stop();
    stopped.close();
    using again = await open(origin.url("/a"));
    again.close();
    expect(asked).toEqual([undefined, undefined]);
  });

  test("a file that has changed since is read from its start, without a byte of the old one", async ({
    onTestFinished,
  }) => {
    const changed = Buffer.alloc(150_000, 1);
    const { origin, open } = await startStopping(onTestFinished, (_request, response) => {
      response.writeHead(200, { "Content-Length": changed.length, ETag: '"2"' }).end(changed);
    });
    using source = await open(origin.url("/a"));
    expect(source.declaredType).toBeNull();
    expect(Buffer.from((await source.body()).bytes).equals(changed)).toBe(true);
  });

  test.for<[name: string, status: number, headers: OutgoingHttpHeaders]>([
    ["refuses the range", 416, {}],
    ["sends another range", 206, { "Content-Range": "bytes 0-9/200000", ETag: '"1"' }],
    ["sends the range of another version", 206, { "Content-Range": "bytes 100000-199999/200000", ETag: '"2"' }],
  ])("an origin that %s is asked once more, without a range", async ([, status, headers], { onTestFinished }) => {
    const { origin, asked, open } = await startStopping(onTestFinished, (request, response) => {
      if (request.headers.range !== undefined) return void response.writeHead(status, headers).end(body.subarray(sent));
      response.writeHead(200, { "Content-Length": body.length, ETag: '"1"' }).end(body);
    });
    using source = await open(origin.url("/a"));
    expect(Buffer.from((await source.body()).bytes).equals(body)).toBe(true);
    expect(asked.map(({ range }) => range)).toEqual([undefined, "bytes=100000-", undefined]);
  });

  test("a body without a validator is read from its start", async ({ onTestFinished }) => {
    const answer: RequestListener = (_request, response) => response.end(body);
    const { origin, asked, open } = await startStopping(onTestFinished, answer, { ETag: "" });
    using source = await open(origin.url("/a"));
    expect(await source.body()).toMatchObject({ warning: null });
    expect(asked[1]?.range).toBeUndefined();
  });
});
