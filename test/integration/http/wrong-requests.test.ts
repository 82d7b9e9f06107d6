import { expect, test, type TestContext } from "vitest";
import { createTargetParser, type TargetOptions } from "../../../src/fetch/target.ts";
import { ask, type Answer, askMetadata } from "../../support/contract.ts";
import { described, type RunningApp, startApp } from "./app.ts";

const url = "https://upload.example.org/a/summit.jpg";

async function openApp(onTestFinished: TestContext["onTestFinished"], rules: Partial<TargetOptions> = {}) {
  const parseTarget = createTargetParser({
    allowPorts: [80, 443].map((port) => ({ from: port, to: port })),
    extraPorts: [],
    allowHosts: [],
    denyHosts: [],
    rewrites: [],
    ...rules,
  });
  const app = await startApp(() => described(), { parseTarget });
  onTestFinished(() => app.close());
  return app;
}

function askBatch(app: RunningApp, body: unknown): Promise<Answer> {
  const headers = { "content-type": "application/json" };
  return ask(`${app.url}/metadata/batch`, { method: "POST", headers, body: JSON.stringify(body) });
}

const keys = "url, deadlineMs and fields";
const severalUrls = "POST /metadata/batch describes several URLs.";

test.for<[body: string, pointer: string, detail: string | RegExp]>([
  ['{"url":"a","colour":1}', "#", `"colour" is not a key of the request: its keys are ${keys}.`],
  [`{"url":"a","${"k".repeat(40)}":1}`, "#", `"${"k".repeat(40)}" is not a key of the request: its keys are ${keys}.`],
  [`{"url":"a","${"k".repeat(41)}":1}`, "#", `"${"k".repeat(40)}…" is not a key of the request: its keys are ${keys}.`],
  ['{"urls":["a"]}', "#", `"urls" is not a key of the request: its keys are ${keys}. ${severalUrls}`],
  ['{"url":["a"]}', "#/url", `url must be a string, not a list. ${severalUrls}`],
  ["[]", "#", `The body must be a JSON object, not a list. ${severalUrls}`],
  ["7", "#", "The body must be a JSON object."],
  ["{}", "#/url", "url is missing."],
  ['{"url":7}', "#/url", "url must be a string."],
  ['{"url":"a","deadlineMs":30001}', "#/deadlineMs", "deadlineMs must be at most 30000."],
  ['{"url":"a","deadlineMs":1e300}', "#/deadlineMs", "deadlineMs must be at most 30000."],
  ['{"url":"a","deadlineMs":49}', "#/deadlineMs", "deadlineMs must be at least 50."],
  ['{"url":"a","deadlineMs":99.5}', "#/deadlineMs", "deadlineMs must be a whole number."],
  ['{"url":"a","deadlineMs":"1500"}', "#/deadlineMs", "deadlineMs must be a whole number."],
  [
    '{"url":"a","fields":["type","colour"]}',
    "#/fields/1",
    /^fields\[1\] must be one of url, bytes, .* and warnings\.$/,
  ],
  ['{"url":"a","fields":[]}', "#/fields", "fields must have at least 1 item."],
  ['{"url":"a"', "#", "The body is not JSON: it ends too early."],
  ["", "#", "The body is empty."],
  ["{'url':1}", "#", "The body is not JSON: unexpected character at line 1, column 2."],
  ['{"url":"a",\n "fields": [,]}', "#", "The body is not JSON: unexpected character at line 2, column 13."],
  ['{"url":"\ufffd"}', "#", "The body is not UTF-8, or has the replacement character U+FFFD."],
])("the problem of the body %j names the place and the fault", async ([body, pointer, detail], { onTestFinished }) => {
  const app = await openApp(onTestFinished);
  const { status, json } = await askMetadata(app.url, body);
  const [first] = json.errors as { pointer: string; detail: string }[];
  expect([status, json.code, json.detail]).toEqual([400, "request_invalid", first!.detail]);
  expect(first).toEqual({ pointer, detail: typeof detail === "string" ? detail : expect.stringMatching(detail) });
});

test.for([
  [
    "url=https://a.example.org/?x=1&Secret=2",
    "#",
    `There is a query parameter besides ${keys}: percent-encode the URL.`,
  ],
  ["", "#/url", "url is missing."],
  ["url=a&url=b", "#/url", "url is given more than once."],
  [`url=${url}&deadlineMs=1500&deadlineMs=1500`, "#/deadlineMs", "deadlineMs is given more than once."],
  [`url=${url}&deadlineMs=soon`, "#/deadlineMs", "deadlineMs must be a whole number."],
  [`url=${url}&deadlineMs=31000`, "#/deadlineMs", "deadlineMs must be at most 30000."],
])(
  "the problem of the query %j names the place and the fault",
  async ([query, pointer, detail], { onTestFinished }) => {
    const app = await openApp(onTestFinished);
    const { json } = await ask(`${app.url}/metadata?${query}`);
    expect(json).toMatchObject({ code: "request_invalid", detail, errors: [{ pointer, detail }] });
  },
);

test("the problem of a query with an unknown field has the names of all fields", async ({ onTestFinished }) => {
  const app = await openApp(onTestFinished);
  const { json } = await ask(`${app.url}/metadata?url=${url}&fields=colour`);
  expect(json.detail).toMatch(/^fields must be a list, separated by commas, of url, bytes, .* and warnings\.$/);
});

test("DELETE /metadata names its only query parameter", async ({ onTestFinished }) => {
  const app = await openApp(onTestFinished);
  const { json } = await ask(`${app.url}/metadata?url=a&b=c`, { method: "DELETE" });
  expect(json.detail).toBe("There is a query parameter besides url: percent-encode the URL.");
});

test.for<[body: unknown, detail: string]>([
  [{ urls: Array(101).fill("a") }, "urls must have at most 100 items."],
  [{ urls: "a" }, "urls must be a list."],
  [{ urls: ["a", 7] }, "urls[1] must be a string."],
  [
    { url: "a" },
    '"url" is not a key of the request: its keys are deadlineMs, fields and urls. POST /metadata describes one URL.',
  ],
])("the problem of the batch %j names the mistake", async ([body, detail], { onTestFinished }) => {
  const app = await openApp(onTestFinished);
  expect((await askBatch(app, body)).json).toMatchObject({ code: "request_invalid", detail });
});

test("the problem of a body that is too large has the limit of its route", async ({ onTestFinished }) => {
  const app = await openApp(onTestFinished);
  const { status, json } = await askMetadata(app.url, { url: "a".repeat(20_000) });
  expect([status, json.detail]).toEqual([413, "The body must have at most 16384 bytes."]);
});

test("a path that cannot be decoded is named as the reason", async ({ onTestFinished }) => {
  const app = await openApp(onTestFinished);
  const { status, json } = await ask(`${app.url}/%zz`);
  expect([status, json.detail]).toEqual([400, "The path is not percent-encoded correctly."]);
});

test("a hostile request gets at most 5 errors with short names, and no value back", async ({ onTestFinished }) => {
  const app = await openApp(onTestFinished);
  const names = Array.from({ length: 200 }, (_, index) => `${index}${"k".repeat(50)}`);
  const body = Object.fromEntries(names.map((name) => [name, "Secret"]));
  const { json, text } = await askMetadata(app.url, { ...body, url: { Secret: 1 }, deadlineMs: "Secret" });
  const errors = json.errors as { detail: string }[];
  expect(errors).toHaveLength(5);
  expect(errors[0]!.detail).toContain(`"${names[0]!.slice(0, 40)}…"`);
  expect(text).not.toMatch(/Secret|k{40}/);
  const batch = await askBatch(app, { urls: Array(100).fill({ Secret: 1 }) });
  expect(batch.json.errors).toHaveLength(5);
  expect(batch.text).not.toContain("Secret");
});

test("a refused request is logged with its faults, without names and values of the caller", async (context) => {
  const app = await openApp(context.onTestFinished);
  await askMetadata(app.url, { url: "a", "https://Secret.example.org/": 1, deadlineMs: 1 });
  await ask(`${app.url}/metadata?url=https://a.example.org/?Secret&Secret2`);
  await askMetadata(app.url, "{Secret");
  const lines = app.log().trim().split("\n");
  expect(lines.join()).not.toContain("Secret");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { code: "request_invalid", client: "anonymous", rule: "# unrecognized_keys, #/deadlineMs too_small" },
    { code: "request_invalid", rule: "# unrecognized_keys" },
    { code: "request_invalid", rule: "not JSON" },
  ]);
  expect((await ask(`${app.url}/metrics`)).text).toContain('media_oracle_failures_total{code="request_invalid"} 3');
});

test("every failure response is counted once", async ({ onTestFinished }) => {
  const app = await openApp(onTestFinished);
  await ask(`${app.url}/nothing`);
  await askMetadata(app.url, { url: "nothing" });
  await ask(`${app.url}/metadata?url=nothing`, { method: "DELETE" });
  await askBatch(app, { urls: ["nothing"] });
  await askMetadata(app.url, { url }, { origin: "https://foreign.example.org" });
  const { text } = await ask(`${app.url}/metrics`);
  expect(text).toContain('media_oracle_failures_total{code="route_unknown"} 1');
  expect(text).toContain('media_oracle_failures_total{code="url_invalid"} 3');
  expect(text).toContain('media_oracle_failures_total{code="request_forbidden"} 1');
});

test.for<[text: string, detail: string, rules?: Partial<TargetOptions>]>([
  [
    "ftp://a.example.org/",
    "The scheme must be http or https. An aesgcm URL is an encrypted upload: it is never fetched.",
  ],
  ["https://user@a.example.org/", "The URL must not have a user name or password."],
  [
    "https://a.example.org:80/",
    "The port is the default port of the other scheme: http has port 80, https has port 443.",
  ],
  ["https://a.example.org:8443/", "The operator of the service has not allowed this port."],
  ["https://nas.lan/", "The host is a private name that the operator of the service has not allowed."],
  ["https://localhost/", "The host is a private name that the operator of the service has not allowed."],
  [url, "The operator of the service has not allowed this host.", { denyHosts: ["upload.example.org"] }],
  [url, "The operator of the service has not allowed this host.", { allowHosts: ["example.net"] }],
])("the problem url_unsupported of %s says which rule: %s", async ([text, detail, rules], { onTestFinished }) => {
  const app = await openApp(onTestFinished, rules);
  const { json } = await askMetadata(app.url, { url: text });
  expect(json).toMatchObject({ code: "url_unsupported", detail });
});
