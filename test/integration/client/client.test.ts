import { expect, onTestFinished, test } from "vitest";
import { type BatchItem, createClient, NoAnswerError, ProblemError } from "../../../src/client/client.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import type { Oracle } from "../../../src/domain/description.ts";
import { startOrigin } from "../../support/origin.ts";
import { type AppSettings, described, failed, startApp, summit } from "../http/app.ts";

async function start(oracle: Oracle, settings?: AppSettings): Promise<string> {
  const app = await startApp(oracle, settings);
  onTestFinished(() => app.close());
  return app.url;
}

const url = "https://upload.example.org/a/summit.jpg";

test("describe returns the metadata, the cache status and the timings", async () => {
  const baseUrl = await start(() => ({ ...described(), timings: { queue: 0, fetch: 12.34 } }));
  const answer = await createClient({ baseUrl }).describe(url, { deadlineMs: 1000, fields: ["blurhash"] });
  expect(answer).toEqual({
    metadata: { url, ...summit, filename: "summit.jpg", partial: false },
    cacheStatus: "media-oracle; fwd=miss",
    timings: { queue: 0, fetch: 12.3 },
  });
});

test("describe throws a failure with its problem and the Retry-After time", async () => {
  const client = createClient({ baseUrl: await start(() => failed(new OracleError("overloaded", ""))) });
  const error: unknown = await client.describe(url).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(ProblemError);
  expect(error).toMatchObject({
    message: "The service is overloaded (overloaded)",
    problem: { code: "overloaded", status: 503, retryable: true },
    retryAfterMs: 2000,
  });
});

test("the client sends its token", async () => {
  const baseUrl = await start(() => described(), { tokens: ["open-sesame"] });
  await expect(createClient({ baseUrl, token: "open-sesame" }).describe(url)).resolves.toBeDefined();
  await expect(createClient({ baseUrl }).describe(url)).rejects.toMatchObject({ problem: { code: "unauthorized" } });
});

test("a base URL may have a path, with or without a trailing slash", async () => {
  const paths: (string | undefined)[] = [];
  const proxy = await startOrigin(onTestFinished, (request, response) => {
    paths.push(request.url);
    response.end();
  });
  for (const baseUrl of [proxy.url("/oracle"), proxy.url("/oracle/")]) {
    await expect(createClient({ baseUrl }).describe(url)).rejects.toBeInstanceOf(NoAnswerError);
  }
  expect(paths).toEqual(["/oracle/metadata", "/oracle/metadata"]);
});

test("a NoAnswerError has the status of a response from another server, and null without a response", async () => {
  const proxy = await startOrigin(onTestFinished, (_request, response) => response.writeHead(404).end("no such page"));
  await expect(createClient({ baseUrl: proxy.url("/") }).describe(url)).rejects.toMatchObject({ status: 404 });
  await expect(createClient({ baseUrl: "http://127.0.0.1:9" }).describe(url)).rejects.toMatchObject({ status: null });
});

test("describeAll yields one item per URL", async () => {
  const baseUrl = await start(({ url }) =>
    url.pathname === "/gone" ? failed(new OracleError("source_redirects", "")) : described(),
  );
  const items: BatchItem[] = [];
  const urls = [url, "https://upload.example.org/gone", url];
  for await (const item of createClient({ baseUrl }).describeAll(urls)) items.push(item);
  expect(items.map((item) => ("metadata" in item ? item.metadata.width : item.problem.code)).sort()).toEqual(
    [4096, 4096, "source_redirects"].sort(),
  );
});

test("an incomplete response or a refused connection throws a NoAnswerError", async () => {
  const brokenLine = await startOrigin(onTestFinished, (_request, response) => {
    response.setHeader("content-type", "application/x-ndjson").write('{"index":0,"url":"a","problem":{}}\n{"ind');
    setTimeout(() => response.destroy(), 50);
  });
  const client = createClient({ baseUrl: brokenLine.url("") });
  const items: unknown[] = [];
  const read = async () => {
    for await (const item of client.describeAll(["a", "b"])) items.push(item);
  };
  await expect(read()).rejects.toBeInstanceOf(NoAnswerError);
  expect(items).toEqual([{ index: 0, url: "a", problem: {} }]);

  const brokenJson = await startOrigin(onTestFinished, (_request, response) => {
    response.setHeader("content-type", "application/json").end('{"url":');
  });
  await expect(createClient({ baseUrl: brokenJson.url("") }).describe(url)).rejects.toBeInstanceOf(NoAnswerError);
  await expect(createClient({ baseUrl: "http://127.0.0.1:9" }).describe(url)).rejects.toBeInstanceOf(NoAnswerError);
});

test("an aborted signal rejects with its own reason", async () => {
  const silentServer = await startOrigin(onTestFinished, () => undefined);
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  await expect(createClient({ baseUrl: silentServer.url("") }).describe(url, { signal })).rejects.toBe(reason);
});

test.each(["application/json", "application/x-ndjson"])(
  "a signal aborted in the middle of an %s response rejects with its own reason",
  async (type) => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.setHeader("content-type", type).write("{");
      setTimeout(() => controller.abort(reason), 100);
    });
    const client = createClient({ baseUrl: origin.url("") });
    const options = { signal: controller.signal };
    const call =
      type === "application/json" ? client.describe(url, options) : client.describeAll([url], options).next();
    await expect(call).rejects.toBe(reason);
  },
);
