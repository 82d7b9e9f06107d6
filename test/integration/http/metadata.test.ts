import { expect, test, type TestContext } from "vitest";
import { type Description, type Oracle, startDescription } from "../../../src/domain/description.ts";
import { type FailureCode, failures, OracleError, type UnreachableReason } from "../../../src/domain/errors.ts";
import type { Target } from "../../../src/domain/target.ts";
import { createTargetParser } from "../../../src/fetch/target.ts";
import { ask, type Answer, askMetadata } from "../../support/contract.ts";
import {
  type AppSettings,
  described,
  failed,
  cachedDescription,
  type RunningApp,
  startApp,
  summit,
  unknownMetadata,
} from "./app.ts";

const url = "https://upload.example.org/a/summit.jpg";
const minuteMs = 60_000;

async function appFor(
  onTestFinished: TestContext["onTestFinished"],
  oracle: Oracle,
  settings?: AppSettings,
): Promise<RunningApp> {
  const app = await startApp(oracle, settings);
  onTestFinished(() => app.close());
  return app;
}

const twin = (app: RunningApp, query: Record<string, string>): string =>
  `${app.url}/metadata?${new URLSearchParams(query).toString()}`;

test("the reply has every documented key, in the documented order", async ({ onTestFinished }) => {
  const app = await appFor(onTestFinished, () => described());
  const { status, text } = await askMetadata(app.url, { url });
  expect(status).toBe(200);
  expect(text).toBe(
    `{"url":"${url}","bytes":3032449,"bytesSource":"counted","type":"image/jpeg",` +
      `"blurhash":"LEHV6nWB2yk8pyo0adR*.7kCMdnj","width":4096,"height":2160,` +
      `"thumbhash":"1QcSHQRnh493V4dIh4eXh1h4kJUI","thumbnail":"${summit.thumbnail!}","animated":false,"durationMs":null,` +
      `"sha256":"${summit.sha256!}","filename":"summit.jpg","partial":false,"warnings":[]}`,
  );
});

test("unknown metadata is null, and every key is present", async ({ onTestFinished }) => {
  const app = await appFor(onTestFinished, () => described({}));
  const { json } = await askMetadata(app.url, { url: "https://upload.example.org/" });
  expect(json).toEqual({
    url: "https://upload.example.org/",
    ...unknownMetadata,
    type: "application/octet-stream",
    partial: false,
  });
});

test("GET /metadata returns the same bytes as POST", async ({ onTestFinished }) => {
  const app = await appFor(onTestFinished, () => described());
  const posted = await askMetadata(app.url, { url });
  const got = await ask(twin(app, { url, deadlineMs: "1500", fields: "type,bytes" }));
  expect(got.text).toBe(posted.text);
});

test("two URLs with the same metadata keep their own URLs and filenames", async ({ onTestFinished }) => {
  const app = await appFor(onTestFinished, () =>
    cachedDescription(summit, { since: Date.now(), until: Date.now() + minuteMs }),
  );
  const one = await askMetadata(app.url, { url: "https://a.example.org/one.jpg" });
  const other = await askMetadata(app.url, { url: "https://a.example.org/other.jpg" });
  const again = await askMetadata(app.url, { url: "https://a.example.org/one.jpg" });
  expect([one, other, again].map(({ json }) => json.filename)).toEqual(["one.jpg", "other.jpg", "one.jpg"]);
});

test("at the deadline the caller gets partial metadata, and the lookup continues for others", async ({
  onTestFinished,
}) => {
  let finish = (): void => undefined;
  const description = startDescription(async (progress) => {
    progress.learn({ type: "image/png", warnings: ["type_mismatch"] });
    await new Promise<void>((resolve) => (finish = resolve));
    return progress.learn({ bytes: 70, bytesSource: "counted" });
  });
  const app = await appFor(onTestFinished, () => description);
  const patient = askMetadata(app.url, { url });
  const hasty = await askMetadata(app.url, { url, deadlineMs: 50 });
  finish();
  expect(hasty.json).toMatchObject({ type: "image/png", bytes: null, partial: true, warnings: ["type_mismatch"] });
  expect(hasty.headers.get("cache-control")).toBe("no-store");
  expect((await patient).json).toMatchObject({ type: "image/png", bytes: 70, partial: false });
});

test("at the deadline without metadata the answer is a retryable 504", async ({ onTestFinished }) => {
  const app = await appFor(onTestFinished, () => startDescription(() => new Promise(() => undefined)));
  const { status, json } = await askMetadata(app.url, { url, deadlineMs: 50 });
  expect(status).toBe(504);
  expect(json).toEqual({
    type: "urn:media-oracle:problem:deadline_exceeded",
    title: "The deadline passed before anything was known",
    status: 504,
    code: "deadline_exceeded",
    retryable: true,
  });
});

test("a cache hit has Age and max-age", async ({ onTestFinished }) => {
  const since = Date.now() - 10_500;
  const app = await appFor(onTestFinished, () => cachedDescription(summit, { since, until: since + minuteMs }));
  const { headers } = await askMetadata(app.url, { url });
  expect(headers.get("cache-control")).toBe("public, max-age=60");
  expect(["10", "11", "12"]).toContain(headers.get("age"));
  expect(headers.get("cache-status")).toBe("media-oracle; hit");
});

test("a stale answer is a hit with a negative ttl in Cache-Status", async ({ onTestFinished }) => {
  const since = Date.now() - 2 * minuteMs;
  const app = await appFor(onTestFinished, () =>
    cachedDescription(summit, { since, until: since + minuteMs }, "stale"),
  );
  const { headers } = await askMetadata(app.url, { url });
  expect(headers.get("cache-status")).toMatch(/^media-oracle; hit; ttl=-6\d; detail=stale$/);
  expect(Number(headers.get("age"))).toBeGreaterThan(60);
});

test("with tokens set, answers are private to caches", async ({ onTestFinished }) => {
  const kept = { since: Date.now(), until: Date.now() + minuteMs };
  const app = await appFor(onTestFinished, () => cachedDescription(summit, kept), { tokens: ["s3cret"] });
  const { headers } = await askMetadata(app.url, { url }, { authorization: "Bearer s3cret" });
  expect(headers.get("cache-control")).toBe("private, max-age=60");
});

test("a first lookup has a miss in Cache-Status and its stages in Server-Timing", async ({ onTestFinished }) => {
  const lookup = startDescription((progress) => {
    progress.addTime("fetch", 12.34);
    progress.addTime("decode", 5);
    return Promise.resolve(progress.learn(summit));
  });
  const app = await appFor(onTestFinished, () => lookup);
  const { headers } = await askMetadata(app.url, { url });
  expect(headers.get("cache-status")).toBe("media-oracle; fwd=miss");
  expect(headers.get("server-timing")).toBe("queue;dur=0.0, fetch;dur=12.3, decode;dur=5.0");
});

test("a coalesced request has collapsed in Cache-Status", async ({ onTestFinished }) => {
  const app = await appFor(onTestFinished, () => ({ ...described(), cached: "collapsed" }));
  const { headers } = await askMetadata(app.url, { url });
  expect(headers.get("cache-status")).toBe("media-oracle; fwd=miss; collapsed");
});

test("GET /metadata has an ETag, and returns 304 if it matches", async ({ onTestFinished }) => {
  const app = await appFor(onTestFinished, () =>
    cachedDescription(summit, { since: Date.now(), until: Date.now() + minuteMs }),
  );
  const first = await ask(twin(app, { url }));
  const etag = first.headers.get("etag")!;
  expect(etag).toMatch(/^"[\w-]{22}"$/);
  for (const held of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    const { status, text, headers } = await ask(twin(app, { url }), { headers: { "if-none-match": held } });
    expect([held, status, text]).toEqual([held, 304, ""]);
    expect(headers.get("etag")).toBe(etag);
    expect(headers.get("cache-control")).toBe("public, max-age=60");
  }
  expect((await ask(twin(app, { url }), { headers: { "if-none-match": '"other"' } })).status).toBe(200);
});

test("HEAD returns the same headers as GET, without the body", async ({ onTestFinished }) => {
  const app = await appFor(onTestFinished, () => described());
  const got = await ask(twin(app, { url }));
  const { status, text, headers } = await ask(twin(app, { url }), { method: "HEAD" });
  expect([status, text]).toEqual([200, ""]);
  expect(headers.get("etag")).toBe(got.headers.get("etag"));
  expect(headers.get("content-length")).toBe(String(got.text.length));
});

const lookupFailures = (
  [
    "source_unreachable",
    "source_status",
    "source_redirects",
    "source_protocol",
    "host_busy",
    "overloaded",
    "internal",
  ] as const
).map((code): [FailureCode, number] => [code, failures[code].status]);

test.for(lookupFailures)(
  "the failure %s is a problem document with status %i",
  async ([code, status], { onTestFinished }) => {
    const app = await appFor(onTestFinished, () => failed(new OracleError(code, "connect to 10.0.0.7:22 failed")));
    const { headers, json, text, status: answered } = await askMetadata(app.url, { url });
    expect(answered).toBe(status);
    expect(json).toMatchObject({ type: `urn:media-oracle:problem:${code}`, code, status, title: failures[code].title });
    expect(headers.get("content-type")).toBe("application/problem+json");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("retry-after")).toBe(["overloaded", "host_busy"].includes(code) ? "2" : null);
    expect(text).not.toContain("10.0.0.7");
  },
);

test.for([
  [404, false],
  [410, false],
  [403, false],
  [408, true],
  [425, true],
  [429, true],
  [500, true],
  [503, true],
] as const)(
  "an origin's %i is returned as upstreamStatus, with retryable",
  async ([upstreamStatus, retryable], context) => {
    const app = await appFor(context.onTestFinished, () =>
      failed(new OracleError("source_status", "no", { upstreamStatus })),
    );
    const { status, json } = await askMetadata(app.url, { url });
    expect(status).toBe(502);
    expect(json).toMatchObject({ code: "source_status", upstreamStatus, retryable });
  },
);

test("blocked, unknown, closed and silent targets get the same answer, including headers", async ({
  onTestFinished,
}) => {
  const reasons: UnreachableReason[] = ["address", "name", "refused", "reset", "tls", "timeout", "redirect", "network"];
  const app = await appFor(onTestFinished, (target) => {
    const reason = target.url.searchParams.get("reason") as UnreachableReason;
    return failed(new OracleError("source_unreachable", `because of ${reason}`, { reason }));
  });
  const told = async (reason: string): Promise<unknown> => {
    const answer: Answer = await askMetadata(
      app.url,
      { url: `https://a.example.org/?reason=${reason}` },
      { "x-request-id": "same" },
    );
    const headers = [...answer.headers].filter(([name]) => name !== "date");
    return [answer.status, headers, answer.text];
  };
  const answers = await Promise.all(reasons.map(told));
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  const metrics = await (await fetch(`${app.url}/metrics`)).text();
  for (const reason of reasons) expect(metrics).toContain(`media_oracle_refused_total{reason="${reason}"} 1`);
});

test("a cached failure is a hit in Cache-Status, within the deadline", async ({ onTestFinished }) => {
  const error = new OracleError("source_status", "no", { upstreamStatus: 404 });
  const kept = { since: Date.now(), until: Date.now() + minuteMs };
  const app = await appFor(onTestFinished, (): Description => ({ ...failed(error), cached: "hit", kept }));
  const { status, headers } = await askMetadata(app.url, { url, deadlineMs: 50 });
  expect(status).toBe(502);
  expect(headers.get("cache-status")).toBe("media-oracle; hit");
});

test.for([
  ["not a URL", "url_invalid"],
  ["", "url_invalid"],
  ["aesgcm://upload.example.org/a#key", "url_unsupported"],
])("the text %j is %s", async ([text, code], { onTestFinished }) => {
  const app = await appFor(onTestFinished, () => described());
  const { status, json } = await askMetadata(app.url, { url: text });
  expect(status).toBe(400);
  expect(json).toMatchObject({ code, retryable: false });
  expect(await (await fetch(`${app.url}/metrics`)).text()).toContain(`media_oracle_refused_total{reason="${code!}"} 1`);
});

test("one log line a lookup has host, keyed hash and outcome, and nothing more of the URL", async ({
  onTestFinished,
}) => {
  const app = await appFor(onTestFinished, () => described(), { level: "info" });
  const secret = "https://upload.example.org/Secret-Path/a.jpg?Secret-Query=1#Secret-Fragment";
  await askMetadata(app.url, { url: secret }, { "x-request-id": "Hello.1" });
  const [line, ...more] = app.log().trim().split("\n");
  expect(more).toEqual([]);
  expect(line).not.toMatch(/secret/i);
  expect(JSON.parse(line!)).toMatchObject({
    requestId: "Hello.1",
    host: "upload.example.org",
    urlHash: expect.stringMatching(/^[0-9a-f]{16}$/),
    cached: "miss",
    partial: false,
  });
});

test("a refused URL is logged with its host and the rule, and no more of it", async ({ onTestFinished }) => {
  const parseTarget = createTargetParser({
    allowPorts: [{ from: 443, to: 443 }],
    extraPorts: [],
    allowHosts: [],
    denyHosts: [],
    rewrites: [],
  });
  const app = await appFor(onTestFinished, () => described(), { level: "info", parseTarget });
  await askMetadata(app.url, { url: "https://nas.lan/Secret-Path?Secret-Query#Secret-Fragment" });
  await askMetadata(app.url, { url: "https://Secret-User:Secret-Password@nas.lan/" });
  const lines = app.log().trim().split("\n");
  expect(lines.join()).not.toMatch(/secret/i);
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { code: "url_unsupported", host: "nas.lan", rule: "a private name that ALLOW_HOSTS does not name" },
    { code: "url_unsupported", rule: "credentials" },
  ]);
});

test("a lookup that the SSRF guard refused is logged with the refused host and the rule, which the answer hides", async ({
  onTestFinished,
}) => {
  const error = new OracleError("source_unreachable", "a redirect to an unsupported URL", {
    reason: "redirect",
    refusal: { host: "nas.lan", rule: "a denied host" },
  });
  const app = await appFor(onTestFinished, () => failed(error), { level: "info" });
  const { text } = await askMetadata(app.url, { url });
  expect(text).not.toMatch(/nas\.lan|denied|redirect/);
  expect(JSON.parse(app.log())).toMatchObject({ reason: "redirect", refusedHost: "nas.lan", rule: "a denied host" });
});

test("the cause of decode_timeout is in the log and the metrics, and not in the answer", async ({ onTestFinished }) => {
  const lookup = (): Description =>
    startDescription((progress) => {
      progress.setDecodeTimeoutCause("lane_full");
      return Promise.resolve(progress.learn({ ...summit, warnings: ["decode_timeout"] }));
    });
  const app = await appFor(onTestFinished, lookup, { level: "info" });
  const { text } = await askMetadata(app.url, { url });
  expect(text).toContain('"warnings":["decode_timeout"]');
  expect(text).not.toContain("lane_full");
  const [line, ...more] = app.log().trim().split("\n");
  expect(more).toEqual([]);
  expect(JSON.parse(line!)).toMatchObject({ warnings: ["decode_timeout"], decodeTimeoutCause: "lane_full" });
  const metrics = await (await fetch(`${app.url}/metrics`)).text();
  expect(metrics).toContain('media_oracle_decode_timeouts_total{cause="lane_full"} 1');
  expect(metrics).toContain('media_oracle_decode_timeouts_total{cause="time_limit"} 0');
});

test("a lookup without decode_timeout has no cause of it in the log and the metrics", async ({ onTestFinished }) => {
  const app = await appFor(onTestFinished, () => described(), { level: "info" });
  await askMetadata(app.url, { url });
  expect(app.log()).not.toContain("decodeTimeoutCause");
  expect(await (await fetch(`${app.url}/metrics`)).text()).not.toMatch(/decode_timeouts_total\{.*\} [1-9]/);
});

test("a cache hit is logged at debug level only", async ({ onTestFinished }) => {
  const hit = (): Description => cachedDescription(summit, { since: Date.now(), until: Date.now() + minuteMs });
  const quiet = await appFor(onTestFinished, hit, { level: "info" });
  await askMetadata(quiet.url, { url });
  expect(quiet.log()).toBe("");
  const talkative = await appFor(onTestFinished, hit, { level: "debug" });
  await askMetadata(talkative.url, { url });
  expect(talkative.log()).toContain('"cached":"hit"');
});

test("a bug is a 500 without details, and one error line without the message", async ({ onTestFinished }) => {
  const app = await appFor(
    onTestFinished,
    () => startDescription(() => Promise.reject(new TypeError("cannot read Secret-Body"))),
    { level: "error" },
  );
  const { status, text } = await askMetadata(app.url, { url });
  expect(status).toBe(500);
  expect(text).not.toContain("Secret");
  const lines = app.log().trim().split("\n");
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain("TypeError");
  expect(lines[0]).toContain("metadata.test.ts");
  expect(lines[0]).not.toContain("Secret");
});

test("an oracle that throws gives a 500 too", async ({ onTestFinished }) => {
  const app = await appFor(onTestFinished, () => {
    throw new Error("should never throw");
  });
  expect((await askMetadata(app.url, { url })).status).toBe(500);
});

test("DELETE /metadata removes the URL from the cache, and returns 204", async ({ onTestFinished }) => {
  const invalidated: string[] = [];
  const invalidate = ({ href }: Target) => Promise.resolve(void invalidated.push(href));
  const app = await appFor(onTestFinished, () => described(), { invalidate });
  const { status, text } = await ask(twin(app, { url: `${url}#fragment` }), { method: "DELETE" });
  expect([status, text, invalidated]).toEqual([204, "", [url]]);
  const refused = await ask(twin(app, { url: "aesgcm://upload.example.org/a" }), { method: "DELETE" });
  expect([refused.status, refused.json.code]).toEqual([400, "url_unsupported"]);
  expect((await ask(`${app.url}/metadata`, { method: "DELETE" })).json.code).toBe("request_invalid");
  expect(invalidated).toHaveLength(1);
});

test("with tokens set, DELETE /metadata without a token is 401", async ({ onTestFinished }) => {
  const invalidate = () => Promise.reject(new Error("must not be asked"));
  const app = await appFor(onTestFinished, () => described(), { invalidate, tokens: ["s3cret"] });
  expect((await ask(twin(app, { url }), { method: "DELETE" })).status).toBe(401);
});

test("Accept: application/xml returns the element that a chat server adds to a stanza", async ({ onTestFinished }) => {
  const app = await appFor(onTestFinished, () => described());
  const element =
    '<metadata xmlns="xmpp:prosody.im/protocol/media-metadata#0"><bytes>3032449</bytes><type>image/jpeg</type>' +
    "<blurhash>LEHV6nWB2yk8pyo0adR*.7kCMdnj</blurhash><width>4096</width><height>2160</height></metadata>";
  const accept = "application/xml";
  for (const answer of [
    await askMetadata(app.url, { url }, { accept }),
    await ask(twin(app, { url }), { headers: { accept } }),
  ]) {
    expect([answer.status, answer.text]).toEqual([200, element]);
    expect(answer.headers.get("content-type")).toBe("application/xml; charset=utf-8");
  }
});

test("a failure is a problem document, also with Accept: application/xml", async ({ onTestFinished }) => {
  const app = await appFor(onTestFinished, () => failed(new OracleError("source_unreachable", "")));
  const { status, json } = await askMetadata(app.url, { url }, { accept: "application/xml" });
  expect([status, json.code]).toEqual([502, "source_unreachable"]);
});

test("XML and JSON of one URL have Vary: Accept and different ETags", async ({ onTestFinished }) => {
  const kept = { since: Date.now(), until: Date.now() + minuteMs };
  const app = await appFor(onTestFinished, () => cachedDescription(summit, kept));
  const json = await ask(twin(app, { url }));
  const xml = await ask(twin(app, { url }), { headers: { accept: "text/xml" } });
  expect([json.headers.get("vary"), xml.headers.get("vary")]).toEqual(["Accept", "Accept"]);
  const etag = xml.headers.get("etag")!;
  expect(etag).not.toBe(json.headers.get("etag"));
  const again = { accept: "text/xml", "if-none-match": etag };
  expect((await ask(twin(app, { url }), { headers: again })).status).toBe(304);
});
