import { afterAll, beforeAll, expect, test } from "vitest";
import { createClient } from "../../../src/client/client.ts";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { createCachedService } from "../../support/cached-service.ts";
import { askMetadata } from "../../support/contract.ts";
import { startDecoder } from "../../support/decoder.ts";
import { createFetcher } from "../../support/fetch.ts";
import { startOrigin } from "../../support/origin.ts";
import { startApp } from "./app.ts";

type OnTestFinished = Parameters<typeof startOrigin>[0];

let decoder: Decoder;
const ends: (() => Promise<void>)[] = [];

beforeAll(async () => {
  decoder = await startDecoder((end) => ends.push(end));
});

afterAll(async () => {
  for (const end of ends) await end();
});

/** Starts the service, and an origin that answers with the status in the path, and with Retry-After if it is given. */
async function startBoth(onTestFinished: OnTestFinished, retryAfter?: string) {
  const origin = await startOrigin(onTestFinished, (request, response) => {
    response.writeHead(Number(request.url?.slice(1, 4)), retryAfter === undefined ? {} : { "Retry-After": retryAfter });
    response.end();
  });
  const { oracle } = createCachedService(decoder);
  const app = await startApp(oracle, { parseTarget: createFetcher().parseTarget });
  onTestFinished(() => app.close());
  const ask = async (path: string) => {
    const { status, json, headers } = await askMetadata(app.url, { url: origin.url(path) });
    const { code, retryable, upstreamStatus } = json;
    const seconds = headers.get("retry-after");
    return { status, code, retryable, upstreamStatus, retryAfter: seconds === null ? null : Number(seconds) };
  };
  return { app, origin, ask };
}

// A second may pass between two answers.
const about = (seconds: number): unknown =>
  expect.toSatisfy((given: number) => given <= seconds && given >= seconds - 5);

test.for([429, 503])(
  "Retry-After of an origin that answers %i is passed on, also by the cache and for its other URLs",
  async (upstreamStatus, { onTestFinished }) => {
    const { ask, origin } = await startBoth(onTestFinished, "30");
    const failure = { status: 502, code: "source_status", retryable: true, upstreamStatus };
    expect(await ask(`/${upstreamStatus}`)).toEqual({ ...failure, retryAfter: 30 });
    expect(await ask(`/${upstreamStatus}`)).toEqual({ ...failure, retryAfter: about(30) });
    expect(await ask("/200")).toEqual({ ...failure, retryAfter: about(30) });
    expect(origin.requests).toBe(1);
  },
);

test("without Retry-After, the answer has the pause that the service itself makes", async ({ onTestFinished }) => {
  const { ask } = await startBoth(onTestFinished);
  expect(await ask("/503")).toMatchObject({ upstreamStatus: 503, retryAfter: 60 });
});

test("Retry-After of an origin is at most an hour", async ({ onTestFinished }) => {
  const { ask } = await startBoth(onTestFinished, "86400");
  expect(await ask("/429")).toMatchObject({ upstreamStatus: 429, retryAfter: 3600 });
});

test.for(["/404", "/500", "/403"])("the answer to %s has no Retry-After", async (path, { onTestFinished }) => {
  const { ask } = await startBoth(onTestFinished, "30");
  expect(await ask(path)).toMatchObject({ code: "source_status", retryAfter: null });
});

test("the client reports Retry-After of an origin in milliseconds", async ({ onTestFinished }) => {
  const { app, origin } = await startBoth(onTestFinished, "30");
  const described = createClient({ baseUrl: app.url }).describe(origin.url("/429"));
  await expect(described).rejects.toMatchObject({ name: "ProblemError", retryAfterMs: 30_000 });
});
