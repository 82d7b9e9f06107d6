import { type AddressInfo, createServer } from "node:net";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { hostileOrigins } from "../../support/hostile.ts";
import { startOrigin, startRawOrigin, startSpeakingOrigin } from "../../support/origin.ts";
import { type Service, startService } from "../../support/service.ts";

const token = "planted-first-token";
const authorization = `Bearer ${token}`;
const deniedAddress = "127.0.0.66";

const settings = {
  LOG_LEVEL: "trace",
  TOKENS: `${token},planted-other-token`,
  ALLOW_ADDRESSES: "127.0.0.0/8",
  DENY_ADDRESSES: deniedAddress,
  ALLOW_PORTS: "1-65535",
  FETCH_TIMEOUT_MS: "1500",
  FETCH_CONCURRENCY: "200",
};

let service: Service; // with the most detailed log level

beforeAll(async () => {
  service = await startService(settings);
});

afterAll(async () => {
  await service.stop();
});

/** Returns a whole reply as text, without the two keys that repeat the URL by contract: `url` and `filename`. */
async function told(reply: Response): Promise<string> {
  const text = await reply.text();
  const isDescription = reply.status === 200 && text.startsWith('{"url"');
  const said = isDescription ? JSON.stringify({ ...JSON.parse(text), url: "", filename: "" }) : text;
  return `${JSON.stringify([...reply.headers])}\n${said}`;
}

function post(body: string, headers: Record<string, string> = {}, to = service): Promise<Response> {
  return fetch(`${to.url}/metadata`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization, ...headers },
    body,
  });
}

/** Requests a URL by POST and by GET; the second reply comes from the cache. */
async function ask(url: string): Promise<string[]> {
  const get = () => fetch(`${service.url}/metadata?url=${encodeURIComponent(url)}`, { headers: { authorization } });
  const first = await told(await post(JSON.stringify({ url })));
  return [first, await told(await get())];
}

/** Returns all other output of the service so far: its log and its metrics. */
async function saidElsewhere(): Promise<string> {
  const metrics = await fetch(`${service.url}/metrics`, { headers: { authorization } });
  return `${service.output()}\n${await metrics.text()}`;
}

const plantedPath = "/planted-path/planted-name.jpg?planted=planted-query#planted-fragment";

describe("secrets of requests and origins", () => {
  test("no part of the URL, headers or body of a successful origin response leaks", async () => {
    const picture = sharp({ create: { width: 64, height: 64, channels: 3, background: "#4080c0" } });
    const photo = await picture
      .withExif({ IFD0: { Artist: "planted-artist" } })
      .jpeg()
      .toBuffer();
    const origin = await startOrigin(onTestFinished, (request, response) => {
      response.writeHead(200, "planted-reason", {
        "Content-Type": "image/jpeg; planted=planted-parameter",
        "Content-Disposition": 'attachment; filename="ok.jpg"; name="planted-disposition"',
        "Set-Cookie": "planted=planted-cookie",
        ETag: '"planted-etag"',
        Server: "planted-server",
        "X-Planted": "planted-header",
      });
      if (request.url?.startsWith("/photo")) response.end(photo);
      else if (request.url?.startsWith("/broken")) response.end(photo.subarray(0, 400));
      else response.end(`<html><title>planted-title</title>planted-body ${request.url ?? ""}</html>`);
    });
    const replies: string[] = [];
    for (const kind of ["/photo", "/broken", "/html"]) replies.push(...(await ask(origin.url(kind + plantedPath))));
    expect(replies.join()).toContain('"width":64');
    expect(replies.join()).not.toContain("planted");
    expect(await saidElsewhere()).not.toContain("planted");
  });

  test("no part of the URL, headers or body of an invalid origin response leaks", async () => {
    const answers = [
      "HTTP/1.1 404 planted-reason\r\nX-A: planted-header\r\nContent-Length: 12\r\n\r\nplanted-body",
      "HTTP/1.1 302 Found\r\nLocation: http://planted:planted@127.0.0.1/planted-location\r\n\r\n",
      `HTTP/1.1 302 Found\r\nLocation: http://${deniedAddress}/planted-location\r\n\r\n`,
      "HTTP/1.1 302 Found\r\nLocation: file:///planted-location\r\n\r\n",
      "HTTP/1.1 302 Found\r\nLocation: /planted-location\r\n\r\n",
      "HTTP/1.1 302 Found\r\nLocation: /\r\nSet-Cookie: planted-name=planted-value; Domain=planted.example\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: planted-length\r\n\r\n",
      "HTTP/1.1 200 OK\r\nplanted header : planted\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: planted-coding\r\n\r\nplanted-body",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nplanted-size\r\n",
      "SSH-2.0-planted-banner\r\n",
      "planted-garbage",
    ];
    const replies: string[] = [];
    for (const answer of answers) {
      const origin = await startSpeakingOrigin(onTestFinished, (socket) => socket.end(answer));
      replies.push(...(await ask(origin.url(plantedPath))));
      replies.push(...(await ask(origin.url(plantedPath).replace("http:", "https:"))));
    }
    expect(replies).toHaveLength(answers.length * 4);
    expect(replies.join()).not.toContain("planted");
    expect(await saidElsewhere()).not.toContain("planted");
  });

  test("an unknown key of a body is named to its caller only", async () => {
    const reply = await told(await post('{"planted-key": "planted-value"}'));
    expect(reply).toContain("planted-key");
    expect(reply).not.toContain("planted-value");
    expect(await saidElsewhere()).not.toContain("planted");
  });

  test("no part of a rejected request leaks", async () => {
    const planted = { cookie: "planted-cookie", referer: "https://planted.example.org/", "x-forwarded-for": "planted" };
    const urls = [
      "https://planted-user:planted-password@example.org/planted-path",
      "https://refused.local/planted-path?planted-query#planted-fragment",
      "planted-scheme://example.org/planted",
      "aesgcm://example.org/planted-path#planted-key",
      "planted",
    ];
    const replies = await Promise.all([
      ...urls.map((url) => post(JSON.stringify({ url }), planted)),
      ...urls.map((url) =>
        fetch(`${service.url}/metadata?url=${encodeURIComponent(url)}`, { headers: { authorization } }),
      ),
      post('{"url": "planted', planted),
      post('{"key": "planted-value"}'),
      fetch(`${service.url}/metadata?url=https://example.org/?planted=planted&planted-name=planted`, {
        headers: { authorization },
      }),
      post(JSON.stringify({ url: "https://example.org/", deadlineMs: "planted" })),
      post("planted", { "content-type": "planted/planted" }),
      post("{}", { authorization: "Bearer planted-wrong-token" }),
      post("{}", { authorization: "Basic cGxhbnRlZA==" }),
      fetch(`${service.url}/planted-route?planted=planted`, { headers: { authorization } }),
      fetch(`${service.url}/metrics`, { headers: { authorization: "Bearer planted-wrong-token" } }),
    ]);
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([400, 401, 404, 415]));
    expect((await Promise.all(replies.map(told))).join()).not.toContain("planted");
    expect(await saidElsewhere()).not.toContain("planted");
  });

  test("a link to an answer of the page leaves no trace in the log or the metrics", async () => {
    const link = `${service.url}/?url=${encodeURIComponent("https://planted.example.org/planted-path")}`;
    const opened = [{}, { "sec-fetch-site": "cross-site" }, { "accept-encoding": "br", "if-none-match": '"planted"' }];
    const replies = await Promise.all(opened.map((headers) => fetch(link, { headers, redirect: "manual" })));
    expect(replies.map(({ status }) => status)).toEqual([200, 303, 200]);
    expect(await saidElsewhere()).not.toContain("planted");
  });

  test("the hostile origins neither leak a URL nor break the service", async () => {
    const replies = await Promise.all(
      hostileOrigins.map(async ({ speak }) => {
        const origin = await startSpeakingOrigin(onTestFinished, speak);
        return told(await post(JSON.stringify({ url: origin.url(plantedPath) })));
      }),
    );
    expect(replies.join()).not.toContain("planted");
    expect(replies.join()).not.toContain('"internal"');
    const said = await saidElsewhere();
    expect(said).not.toContain("planted");
    expect(said).not.toMatch(/unexpected error|ends because/);
    expect(service.process.exitCode).toBeNull();
  });
});

/** Returns status, headers and body, without the request ID and the date. */
async function shapeOf(reply: Response): Promise<string> {
  const headers = [...reply.headers].filter(([name]) => !["x-request-id", "date"].includes(name));
  return JSON.stringify([reply.status, headers, await reply.text()], null, 1);
}

test("refused, unknown, closed, silent and other unreachable targets get the same reply and headers", async () => {
  const [refused, ...others] = await unreachableReplies(service);
  for (const reply of refused!.replies) expect(reply).toContain("source_unreachable");
  for (const { name, replies } of others) expect([name, replies]).toEqual([name, refused!.replies]);
});

test("unreachable targets get the same reply even if only some are still cached", async () => {
  // The cache keeps a reset until the next request, a timeout for 40 ms, and a refused address for 1 s.
  const forgetful = await startService({ ...settings, FAILURE_MS: "20", CONNECT_TIMEOUT_MS: "500" });
  onTestFinished(async () => void (await forgetful.stop()));
  const [refused, ...others] = await unreachableReplies(forgetful);
  for (const reply of refused!.replies) expect(reply).toContain("source_unreachable");
  for (const { name, replies } of others) expect([name, replies]).toEqual([name, refused!.replies]);
});

/** Returns the replies for each kind of unreachable target, the refused address first: new, cached, and by GET. */
async function unreachableReplies(of: Service): Promise<{ name: string; replies: string[] }[]> {
  const silent = await startRawOrigin(onTestFinished, () => undefined);
  const resetting = await startSpeakingOrigin(onTestFinished, (socket) => socket.resetAndDestroy());
  const leaving = await startSpeakingOrigin(onTestFinished, (socket) => socket.end());
  const redirecting = await startSpeakingOrigin(onTestFinished, (socket) =>
    socket.end(`HTTP/1.1 302 Found\r\nLocation: http://${deniedAddress}/\r\n\r\n`),
  );
  const stray = await startSpeakingOrigin(onTestFinished, (socket) =>
    socket.end("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"),
  );
  const closed = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => closed.once("listening", resolve));
  const { port: closedPort } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const unreachable = {
    refused: `http://${deniedAddress}:${silent.port}/`,
    private: "http://10.0.0.1/",
    metadata: "http://169.254.169.254/latest/meta-data/",
    unknown: "http://no-such-name.example-cdn.net/",
    closed: `http://127.0.0.1:${closedPort}/`,
    silent: silent.url("/"),
    reset: resetting.url("/"),
    left: leaving.url("/"),
    "not TLS": leaving.url("/").replace("http", "https"),
    "redirected to a refused one": redirecting.url("/"),
    "redirected to a file": stray.url("/"),
  };
  const repliesOf = async (url: string) => [
    await shapeOf(await post(JSON.stringify({ url }), {}, of)),
    await shapeOf(await post(JSON.stringify({ url }), {}, of)),
    await shapeOf(await fetch(`${of.url}/metadata?url=${encodeURIComponent(url)}`, { headers: { authorization } })),
  ];
  return Promise.all(Object.entries(unreachable).map(async ([name, url]) => ({ name, replies: await repliesOf(url) })));
}
