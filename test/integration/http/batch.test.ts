import { expect, test, type TestContext } from "vitest";
import { OracleError } from "../../../src/domain/errors.ts";
import { type Oracle, startDescription } from "../../../src/domain/description.ts";
import { ask, type Answer } from "../../support/contract.ts";
import { type AppSettings, described, failed, cachedDescription, type RunningApp, startApp, summit } from "./app.ts";

async function appFor(
  onTestFinished: TestContext["onTestFinished"],
  oracle: Oracle,
  settings?: AppSettings,
): Promise<RunningApp> {
  const app = await startApp(oracle, settings);
  onTestFinished(() => app.close());
  return app;
}

function askBatch(app: RunningApp, batch: object, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(`${app.url}/metadata/batch`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(batch),
  });
}

const urlOf = (name: number | string): string => `https://upload.example.org/${name}.jpg`;
const urlsUpTo = (count: number): string[] => Array.from({ length: count }, (_, index) => urlOf(index));

interface Item {
  readonly index: number;
  readonly url: string;
  readonly metadata?: { readonly url: string };
  readonly problem?: { readonly code: string };
}

const itemsOf = ({ json }: Answer): Item[] => json.items as Item[];

test("a batch returns the metadata or the problem of every URL, in the order of the request", async ({
  onTestFinished,
}) => {
  const app = await appFor(onTestFinished, ({ url }) =>
    url.pathname === "/gone.jpg" ? failed(new OracleError("source_status", "", { upstreamStatus: 404 })) : described(),
  );
  const urls = [urlOf("b"), urlOf("gone"), "nonsense", `${urlOf("a")}#fragment`, urlOf("b")];
  const answer = await askBatch(app, { urls, deadlineMs: 2000 });
  expect([answer.status, answer.headers.get("cache-control")]).toEqual([200, "no-store"]);
  const items = itemsOf(answer);
  expect(items.map(({ index, url }) => [index, url])).toEqual(urls.map((url, index) => [index, url]));
  expect(items.map(({ metadata, problem }) => metadata?.url ?? problem?.code)).toEqual([
    urlOf("b"),
    "source_status",
    "url_invalid",
    urlOf("a"),
    urlOf("b"),
  ]);
  const alone = await ask(`${app.url}/metadata?url=${encodeURIComponent(urls[0]!)}`);
  expect(items[0]!.metadata).toEqual(alone.json);
});

test("with Accept: application/x-ndjson each line comes as soon as it is known", async ({ onTestFinished }) => {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const app = await appFor(onTestFinished, ({ url }) => {
    const description = described();
    if (url.pathname !== "/slow.jpg") return description;
    return { ...description, done: released.then(() => description.done) };
  });
  const response = await fetch(`${app.url}/metadata/batch`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/x-ndjson" },
    body: JSON.stringify({ urls: [urlOf("slow"), urlOf("quick")] }),
  });
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const first = await reader.read();
  expect(JSON.parse(first.value!)).toMatchObject({ index: 1, url: urlOf("quick"), metadata: { width: summit.width } });
  release();
  const second = await reader.read();
  expect(JSON.parse(second.value!)).toMatchObject({ index: 0, url: urlOf("slow") });
  expect((await reader.read()).done).toBe(true);
});

test("the headers of an NDJSON batch come before its first line, and forbid caches to store it", async ({
  onTestFinished,
}) => {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const app = await appFor(onTestFinished, () => ({ ...described(), done: released.then(() => summit) }));
  const response = await fetch(`${app.url}/metadata/batch`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/x-ndjson" },
    body: JSON.stringify({ urls: [urlOf("slow")] }),
  });
  expect(response.status).toBe(200);
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(response.headers.get("x-request-id")).not.toBeNull();
  release();
  expect(JSON.parse(await response.text())).toMatchObject({ index: 0, url: urlOf("slow") });
});

test("a bug in the lookup of one URL is a problem of that item, counted and logged once", async ({
  onTestFinished,
}) => {
  const bug = new TypeError("Secret");
  const app = await appFor(onTestFinished, ({ url }) =>
    url.pathname === "/bug.jpg" ? startDescription(() => Promise.reject(bug)) : described(),
  );
  const answer = await askBatch(app, { urls: [urlOf("a"), urlOf("bug")] });
  expect(itemsOf(answer).map(({ problem }) => problem?.code)).toEqual([undefined, "internal"]);
  expect(answer.text).not.toContain("Secret");
  expect(app.log().match(/"msg":"unexpected error"/g)).toHaveLength(1);
  const { text } = await ask(`${app.url}/metrics`);
  expect(text).toContain('media_oracle_failures_total{code="internal"} 1');
});

test("a failed lookup of a batch is counted, and not logged as a bug", async ({ onTestFinished }) => {
  const app = await appFor(onTestFinished, () => failed(new OracleError("source_protocol", "")));
  await askBatch(app, { urls: [urlOf("a")] });
  expect(app.log()).not.toContain("unexpected error");
  expect((await ask(`${app.url}/metrics`)).text).toContain('media_oracle_failures_total{code="source_protocol"} 1');
});

test("one batch runs at most 16 lookups at once", async ({ onTestFinished }) => {
  let [active, most] = [0, 0];
  const app = await appFor(onTestFinished, () => {
    active += 1;
    most = Math.max(most, active);
    const description = described();
    const done = new Promise((resolve) => setTimeout(resolve, 5)).then(() => {
      active -= 1;
      return description.done;
    });
    return { ...description, done };
  });
  const answer = await askBatch(app, { urls: urlsUpTo(100) });
  expect(itemsOf(answer)).toHaveLength(100);
  expect(most).toBe(16);
});

test("at the deadline a batch returns partial metadata of the started lookups, and starts no more", async ({
  onTestFinished,
}) => {
  let begun = 0;
  const app = await appFor(onTestFinished, () => {
    begun += 1;
    return { ...described(), done: new Promise(() => undefined), known: begun === 1 ? { ...summit } : null };
  });
  const answer = await askBatch(app, { urls: urlsUpTo(20), deadlineMs: 100 });
  const items = itemsOf(answer);
  expect(items[0]!.metadata).toMatchObject({ partial: true });
  expect(items.slice(1).map(({ problem }) => problem?.code)).toEqual(Array(19).fill("deadline_exceeded"));
  expect(begun).toBe(16);
});

test("each URL of a batch counts against the rate limit, except for cache hits", async ({ onTestFinished }) => {
  const kept = { since: Date.now(), until: Date.now() + 60_000 };
  const isCached = ({ url }: { url: URL }) => url.pathname.startsWith("/known");
  const app = await appFor(
    onTestFinished,
    (target) => (isCached(target) ? cachedDescription(summit, kept) : described()),
    { isCached, rateLimit: { perMinute: 2, together: null, now: () => 0 } },
  );
  const answer = await askBatch(app, { urls: [urlOf(1), urlOf("known"), urlOf(2), urlOf(3), urlOf("known2")] });
  expect(itemsOf(answer).map(({ problem }) => problem?.code)).toEqual([
    undefined,
    undefined,
    undefined,
    "rate_limited",
    undefined,
  ]);
});

test("a batch needs a token if tokens are set, and has 1 to 100 URLs", async ({ onTestFinished }) => {
  const closed = await appFor(onTestFinished, () => described(), { tokens: ["a"] });
  expect((await askBatch(closed, { urls: [urlOf(1)] })).status).toBe(401);
  const open = await appFor(onTestFinished, () => described());
  for (const batch of [{ urls: [] }, { urls: urlsUpTo(101) }, { urls: "x" }, { url: urlOf(1) }, { urls: [1] }]) {
    expect((await askBatch(open, batch)).json).toMatchObject({ status: 400, code: "request_invalid" });
  }
  const longest = urlsUpTo(100).map((url) => url.padEnd(8192, "a"));
  expect((await askBatch(open, { urls: longest })).status).toBe(200);
  expect((await askBatch(open, { urls: longest.map((url) => url.repeat(2)) })).status).toBe(413);
});

test("a batch starts no further lookup after its caller disconnected", async ({ onTestFinished }) => {
  let begun = 0;
  const leaves = new AbortController();
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const app = await appFor(onTestFinished, () => {
    begun += 1;
    if (begun === 16) leaves.abort();
    const description = described();
    return { ...description, done: released.then(() => description.done) };
  });
  const asked = fetch(`${app.url}/metadata/batch`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ urls: urlsUpTo(100) }),
    signal: leaves.signal,
  });
  await expect(asked).rejects.toThrow();
  await new Promise((resolve) => setTimeout(resolve, 100)); // until the service has noticed
  release();
  await app.close();
  expect(begun).toBe(16);
});
