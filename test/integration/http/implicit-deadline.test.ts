import { describe, expect, test, type TestContext } from "vitest";
import { type Description, type Oracle, startDescription } from "../../../src/domain/description.ts";
import { ask, askMetadata } from "../../support/contract.ts";
import { type RunningApp, startApp, summit } from "./app.ts";

// The implicit deadline is 250 ms earlier: enough for a busy machine to send the answer.
const inactivityTimeoutMs = 3000;

const urlsUpTo = (count: number) => Array.from({ length: count }, (_, index) => `https://a.example.org/${index}.jpg`);

/** A lookup that never ends; its type is known if its origin answered. */
function endless({ isAnswered }: { readonly isAnswered: boolean }): Description {
  return startDescription((progress) => {
    if (isAnswered) progress.learn({ type: summit.type });
    return new Promise(() => undefined);
  });
}

async function startEndless(
  onTestFinished: TestContext["onTestFinished"],
  oracle: Oracle = ({ url }) => endless({ isAnswered: !url.pathname.startsWith("/silent") }),
): Promise<RunningApp> {
  const app = await startApp(oracle, { inactivityTimeoutMs });
  onTestFinished(() => app.close());
  return app;
}

const batchOf = (count: number, accept: string) => ({
  method: "POST",
  headers: { "content-type": "application/json", accept },
  body: JSON.stringify({ urls: urlsUpTo(count) }),
});

interface Item {
  readonly metadata?: { readonly partial: boolean };
  readonly problem?: { readonly code: string };
}

// Concurrent, because each test waits for the timeout of an app of its own.
describe.concurrent("implicit deadlines before the inactivity timeout", () => {
  test("a lookup without deadlineMs that never ends is answered with partial metadata", async ({ onTestFinished }) => {
    const app = await startEndless(onTestFinished);
    const url = "https://a.example.org/a.jpg";
    const answers = await Promise.all([askMetadata(app.url, { url }), ask(`${app.url}/metadata?url=${url}`)]);
    for (const { status, json } of answers) {
      expect(status).toBe(200);
      expect(json).toMatchObject({ type: summit.type, partial: true });
    }
  });

  test("a lookup without deadlineMs and without metadata is answered with deadline_exceeded", async ({
    onTestFinished,
  }) => {
    const app = await startEndless(onTestFinished);
    const { status, json } = await askMetadata(app.url, { url: "https://a.example.org/silent.jpg" });
    expect([status, json.code]).toEqual([504, "deadline_exceeded"]);
  });

  test("a JSON batch without deadlineMs is answered as a whole, its later URLs with deadline_exceeded", async ({
    onTestFinished,
  }) => {
    const app = await startEndless(onTestFinished);
    const { status, json } = await ask(`${app.url}/metadata/batch`, batchOf(20, "application/json"));
    expect(status).toBe(200);
    const items = json.items as Item[];
    expect(items.map(({ metadata, problem }) => metadata?.partial ?? problem?.code)).toEqual([
      ...Array<boolean>(16).fill(true), // the lookups at once
      ...Array<string>(4).fill("deadline_exceeded"),
    ]);
  });

  test("an NDJSON batch may last longer than the inactivity timeout: each lookup has its own implicit deadline", async ({
    onTestFinished,
  }) => {
    const app = await startEndless(onTestFinished);
    const began = performance.now();
    const response = await fetch(`${app.url}/metadata/batch`, batchOf(20, "application/x-ndjson"));
    expect(response.status).toBe(200);
    const items = (await response.text()).trimEnd().split("\n");
    expect(items.map((line) => (JSON.parse(line) as Item).metadata?.partial)).toEqual(Array(20).fill(true));
    expect(performance.now() - began).toBeGreaterThan(inactivityTimeoutMs);
  });
});
