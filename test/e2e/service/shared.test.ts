import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { makeCertificates, startOrigin } from "../../support/origin.ts";
import { hasRedis, type RedisServer, startRedis } from "../../support/redis.ts";
import { ask, invalidate, readiness, startReplicas, waitUntilReady } from "../../support/replicas.ts";
import { requires } from "../../support/require.ts";
import { startService } from "../../support/service.ts";

// The timeout of one call to the shared cache, and the delay that a busy machine may add to a lookup.
const timeoutMs = 200;
const slackMs = 2000;

const startTexts = () =>
  startOrigin(onTestFinished, (request, response) => {
    if (request.url === "/gone") response.writeHead(410).end();
    else response.end(`the text of ${request.url}`);
  });

async function startTogether(count: number, settings: Record<string, string> = {}) {
  const redis = await startRedis(onTestFinished);
  const replicas = await startReplicas(onTestFinished, count, { REDIS_URL: redis.url, ...settings });
  return { redis, replicas, origin: await startTexts() };
}

const skipped = requires("redis-server", hasRedis);

describe.skipIf(skipped)("replicas that share a Redis", () => {
  test("replicas share metadata and failures through Redis, and a deletion reaches all of them", async () => {
    const { replicas, redis, origin } = await startTogether(3);
    const [one, two, three] = replicas.running;
    for (const path of ["/a.txt", "/gone"]) {
      const told = await ask(one!, origin.url(path));
      expect(told.cacheStatus).not.toContain("hit");
      const elsewhere = await ask(two!, origin.url(path));
      expect([elsewhere.status, elsewhere.json]).toEqual([told.status, told.json]);
    }
    expect(origin.requests).toBe(2);
    expect((await ask(two!, origin.url("/a.txt"))).cacheStatus).toMatch(/; hit/);
    const metrics = await (await fetch(`${two!.url}/metrics`)).text();
    expect(metrics).toContain("media_oracle_shared_answers_total 2"); // and one from its own memory
    expect(redis.command("KEYS", "*")).not.toContain("a.txt");

    expect(await invalidate(three!, origin.url("/a.txt"))).toBe(204);
    // The deletion arrives by a Redis message, so it takes a moment.
    const askTwo = async () => (await ask(two!, origin.url("/a.txt"))).status === 200 && origin.requests;
    await expect.poll(askTwo).toBe(3);
    await expect.poll(async () => (await ask(one!, origin.url("/a.txt"))).cacheStatus).toMatch(/; hit/);
    expect(origin.requests).toBe(3);
  });

  test("replicas reject entries in Redis that no replica can have written", async () => {
    const { replicas, redis, origin } = await startTogether(1);
    const told = await ask(replicas.running[0]!, origin.url("/a.txt"));
    const [key = ""] = redis.command("KEYS", "media-oracle:entry:*").split("\n");
    const good = redis.command("GET", key);
    const poisons = [
      good.replace(/"type":"[^"]*"/, '"type":"planted"'),
      good.replace('"bytes":', '"planted":1,"bytes":'),
      good.replace(/"filename":null/, '"filename":"../planted"'),
      good.replace('"metadata":{', '"metadata":{"__proto__":{"planted":true},'),
      "planted",
      "planted".repeat(1_000_000),
    ];
    const fresh = await replicas.start(); // with an empty local cache
    await waitUntilReady(fresh);
    for (const poison of poisons) {
      expect(poison).not.toBe(good);
      redis.put(key, poison);
      expect((await ask(fresh, origin.url("/a.txt"))).json).toEqual(told.json);
      expect(await invalidate(fresh, origin.url("/a.txt"))).toBe(204);
    }
    expect(origin.requests).toBe(1 + poisons.length);
    expect(fresh.output() + (await (await fetch(`${fresh.url}/metrics`)).text())).not.toContain("planted");
  });

  test("replicas share a client's rate limit through Redis, and count locally while it is unavailable", async () => {
    const { replicas, redis, origin } = await startTogether(2, { RATE_LIMIT: "4" });
    const [one, two] = replicas.running;
    const statuses: number[] = [];
    for (let n = 0; n < 6; n += 1) {
      statuses.push((await ask([one!, two!][n % 2]!, origin.url(`/${n}.txt`))).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 429, 429]);
    // All replicas return the shared entries, which do not count against the limit.
    for (const replica of [one!, two!]) expect((await ask(replica, origin.url("/0.txt"))).status).toBe(200);
    await redis.kill();
    await waitUntilReady(one!, "degraded");
    for (let n = 10; n < 15; n += 1) statuses.push((await ask(one!, origin.url(`/${n}.txt`))).status);
    expect(statuses.slice(6)).toEqual([200, 200, 200, 200, 429]);
  });
});

describe.skipIf(skipped)("while its Redis", () => {
  test.each<[string, string, (redis: RedisServer, isSo: boolean) => unknown]>([
    ["is gone", "degraded", (redis, isSo) => (isSo ? redis.kill() : redis.restart())],
    ["stalls", "degraded", (redis, isSo) => (isSo ? redis.stall() : redis.resume())],
    ["is full", "degraded", (redis, isSo) => redis.fill(isSo)],
    ["is read-only", "degraded", (redis, isSo) => redis.makeReadOnly(isSo)],
    ["is flushed", "ok", (redis) => redis.flush()],
  ])("%s during traffic, all responses are in time, readiness reports it, and the service recovers", async (...row) => {
    const [, word, make] = row;
    const { replicas, redis, origin } = await startTogether(1);
    const [service] = replicas.running;
    const slowest = { ms: 0 };
    let isOver = false;
    let count = 0;
    const traffic = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const began = performance.now();
        count += 1;
        const url = origin.url(`/${count % 3 === 0 ? "hit" : count}.txt`);
        const { status, json } = await ask(service!, url);
        slowest.ms = Math.max(slowest.ms, performance.now() - began);
        expect([status, json.url]).toEqual([200, url]);
      }
    });
    const answered = async (more: number) => {
      const enough = count + more;
      while (count < enough) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await answered(20);
    await make(redis, true);
    await waitUntilReady(service!, word);
    await answered(50);
    expect(await readiness(service!)).toEqual([200, word]);
    const metrics = await (await fetch(`${service!.url}/metrics`)).text();
    expect(metrics).toContain(`media_oracle_shared_up ${word === "ok" ? 1 : 0}`);
    if (word === "degraded") expect(metrics).toMatch(/media_oracle_shared_calls_total\{outcome="failed"\} [1-9]/);
    await make(redis, false);
    await waitUntilReady(service!);
    await answered(20);
    isOver = true;
    await Promise.all(traffic);
    expect(redis.command("KEYS", "media-oracle:entry:*")).not.toBe("");
    expect(slowest.ms).toBeLessThan(timeoutMs + slackMs);
  });
});

describe.skipIf(skipped)("the address of the Redis", () => {
  test("a rediss URL with a password is read from a file, and never appears in logs or metrics", async () => {
    const certificates = makeCertificates();
    const folder = mkdtempSync(join(tmpdir(), "media-oracle-shared-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "ca.pem"), certificates.ca);
    const redis = await startRedis(onTestFinished, { password: "planted-secret", tls: certificates.good });
    writeFileSync(join(folder, "url"), `${redis.url}\n`);
    const origin = await startTexts();
    const service = await startService(
      {
        REDIS_URL_FILE: join(folder, "url"),
        LOG_LEVEL: "trace",
        ALLOW_ADDRESSES: "127.0.0.0/8",
        ALLOW_PORTS: "1-65535",
        DECODERS: "1",
      },
      { NODE_EXTRA_CA_CERTS: join(folder, "ca.pem") },
    );
    onTestFinished(async () => void (await service.stop()));
    await waitUntilReady(service);
    await ask(service, origin.url("/a.txt"));
    expect(redis.command("KEYS", "media-oracle:entry:*")).not.toBe("");
    await redis.kill();
    await waitUntilReady(service, "degraded");
    await ask(service, origin.url("/b.txt"));
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(service.output() + metrics).not.toContain("planted-secret");
  });
});
