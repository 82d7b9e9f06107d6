import { expect, test, type TestContext } from "vitest";
import type { Description } from "../../../src/domain/description.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import type { Target } from "../../../src/domain/target.ts";
import { createNamedToken } from "../../../src/http/named-token.ts";
import { ask, askMetadata } from "../../support/contract.ts";
import { type AppSettings, described, failed, cachedDescription, startApp, summit } from "./app.ts";

const key = "a-key-of-32-characters-and-more-!";
const kept = { since: Date.now(), until: Date.now() + 60_000 };
const question = (name: string) => ({ url: `https://upload.example.org/${name}` });

/** Starts an app with cached answers for /hit and /failed-hit, and records its lookups. */
async function openLimited(
  onTestFinished: TestContext["onTestFinished"],
  perMinute: number,
  isClosed = false,
  settings: AppSettings = {},
) {
  const lookups: string[] = [];
  const findCached = ({ url }: Target): Description | null => {
    if (url.pathname === "/hit") return cachedDescription(summit, kept);
    if (url.pathname === "/failed-hit") {
      return { ...failed(new OracleError("source_status", "")), cached: "hit", kept };
    }
    return null;
  };
  const oracle = (target: Target) => {
    const known = findCached(target);
    if (known) return known;
    lookups.push(target.url.pathname);
    return described();
  };
  const app = await startApp(oracle, {
    isCached: (target) => findCached(target) !== null,
    rateLimit: { perMinute, together: null, now: () => performance.now() },
    ...settings,
    ...(isClosed && { namedTokens: { key, revokedNames: [] } }),
  });
  onTestFinished(() => app.close());
  return { app, lookups };
}

test("a request above the rate limit is 429 with Retry-After, and starts no lookup", async ({ onTestFinished }) => {
  const { app, lookups } = await openLimited(onTestFinished, 2);
  for (const name of ["a", "b"]) expect((await askMetadata(app.url, question(name))).status).toBe(200);
  for (const answer of [
    await askMetadata(app.url, question("c")),
    await ask(`${app.url}/metadata?url=${question("d").url}`),
  ]) {
    expect([answer.status, answer.json.code, answer.json.retryable]).toEqual([429, "rate_limited", true]);
    const seconds = answer.headers.get("retry-after")!;
    expect(Number(seconds)).toBeGreaterThan(30);
    expect(Number(seconds)).toBeLessThanOrEqual(60);
    expect(answer.headers.get("ratelimit")).toBe(`"client";r=0;t=${seconds}`);
    expect(answer.headers.get("ratelimit-policy")).toBe('"client";q=2;w=60');
    expect(answer.headers.get("cache-control")).toBe("no-store");
  }
  expect(lookups).toEqual(["/a", "/b"]);
  const { text } = await ask(`${app.url}/metrics`);
  expect(text).toContain('media_oracle_refused_total{reason="rate_limited"} 2');
  expect(app.log().match(/"code":"rate_limited"/g)).toHaveLength(2);
});

test("cache hits, also of failures, are not counted, and are answered above the rate limit", async ({
  onTestFinished,
}) => {
  const { app } = await openLimited(onTestFinished, 1);
  const statuses = [];
  for (const name of ["hit", "hit", "failed-hit", "miss", "other", "hit", "failed-hit"]) {
    statuses.push((await askMetadata(app.url, question(name))).status);
  }
  expect(statuses).toEqual([200, 200, 502, 200, 429, 200, 502]);
});

test("all tokens of one name share a quota, and another name has its own", async ({ onTestFinished }) => {
  const { app } = await openLimited(onTestFinished, 1, true);
  const as = async (name: string, expiresAt: number | null) =>
    (await askMetadata(app.url, question("a"), { authorization: `Bearer ${createNamedToken(name, expiresAt, key)}` }))
      .status;
  expect([await as("one", null), await as("one", 9_999_999_999), await as("two", null)]).toEqual([200, 429, 200]);
});

test("unauthorized requests do not count against any quota", async ({ onTestFinished }) => {
  const { app } = await openLimited(onTestFinished, 1, true);
  for (let time = 0; time < 3; time += 1) expect((await askMetadata(app.url, question("a"))).status).toBe(401);
  const authorization = `Bearer ${createNamedToken("one", null, key)}`;
  expect((await askMetadata(app.url, question("a"), { authorization })).status).toBe(200);
});

test("health, metrics and the OpenAPI document have no rate limit", async ({ onTestFinished }) => {
  const { app } = await openLimited(onTestFinished, 1);
  for (const path of ["/metadata?url=http://a.example.org/", "/healthz", "/readyz", "/metrics", "/openapi.json"]) {
    expect([path, (await ask(app.url + path)).status]).toEqual([path, 200]);
    expect([path, (await ask(app.url + path)).status]).toEqual([path, path.startsWith("/metadata") ? 429 : 200]);
  }
});

test("behind a trusted proxy each client has its own quota by X-Forwarded-For, with POST, GET and batches alike", async ({
  onTestFinished,
}) => {
  const isTrustedProxy = (address: string) => address === "127.0.0.1";
  const { app } = await openLimited(onTestFinished, 3, false, { isTrustedProxy });
  const from = (forwarded: string) => ({ "x-forwarded-for": forwarded });
  const post = async (forwarded: string) => (await askMetadata(app.url, question("a"), from(forwarded))).status;
  const get = async (forwarded: string) =>
    (await ask(`${app.url}/metadata?url=${question("b").url}`, { headers: from(forwarded) })).status;
  const batch = async (forwarded: string) => {
    const { json } = await ask(`${app.url}/metadata/batch`, {
      method: "POST",
      headers: { "content-type": "application/json", ...from(forwarded) },
      body: JSON.stringify({ urls: [question("c").url] }),
    });
    return (json.items as { problem?: { status: number } }[])[0]!.problem?.status ?? 200;
  };
  expect([await post("192.0.2.1"), await get("192.0.2.1"), await batch("192.0.2.1")]).toEqual([200, 200, 200]);
  expect([await post("192.0.2.1"), await get("192.0.2.1"), await batch("192.0.2.1")]).toEqual([429, 429, 429]);
  expect([await post("192.0.2.2"), await get("192.0.2.2"), await batch("192.0.2.2")]).toEqual([200, 200, 200]);
  // A client that writes entries of its own keeps its quota: the proxy appends the true address.
  expect([await post("198.51.100.1, 192.0.2.1"), await post(`${"10.0.0.1,".repeat(1000)}192.0.2.1`)]).toEqual([
    429, 429,
  ]);
  expect(app.log()).toContain('"address":"192.0.2.1","code":"rate_limited"');
});

test("X-Forwarded-For of an untrusted peer changes neither its quota nor the log", async ({ onTestFinished }) => {
  const { app } = await openLimited(onTestFinished, 1, false, { isTrustedProxy: (address) => address === "192.0.2.9" });
  const post = async (forwarded: string) =>
    (await askMetadata(app.url, question("a"), { "x-forwarded-for": forwarded })).status;
  expect([await post("192.0.2.1"), await post("192.0.2.2"), await post("192.0.2.9")]).toEqual([200, 429, 429]);
  expect(app.log()).toContain('"address":"127.0.0.1","code":"rate_limited"');
  expect(app.log()).not.toContain("192.0.2");
});

test("the log has no address of a client whose request is answered, or whom a token names", async ({
  onTestFinished,
}) => {
  const { app: open } = await openLimited(onTestFinished, 10);
  await askMetadata(open.url, question("a"));
  expect(open.log()).toContain("described");
  const { app: closed } = await openLimited(onTestFinished, 1, true);
  const authorization = `Bearer ${createNamedToken("one", null, key)}`;
  for (let time = 0; time < 2; time += 1) await askMetadata(closed.url, question("a"), { authorization });
  expect(closed.log()).toContain("rate_limited");
  for (const app of [open, closed]) expect(app.log()).not.toContain("127.0.0.1");
});
