import type { ServerResponse } from "node:http";
import { setTimeout as after } from "node:timers/promises";
import sharp from "sharp";
import { describe, expect, onTestFinished, test } from "vitest";
import { chaos } from "../../support/chaos.ts";
import { noise } from "../../support/images.ts";
import { startOrigin } from "../../support/origin.ts";
import { hasRedis, startRedis } from "../../support/redis.ts";
import { ask, startReplicas } from "../../support/replicas.ts";
import { requires } from "../../support/require.ts";

// As in main.ts: the duration of a replica's lookup lock.
const lockMs = 5000;
const slackMs = 4000;

const picture = await sharp(noise(64, 64, 1), { raw: { width: 64, height: 64, channels: 4 } })
  .png()
  .toBuffer();

async function startThree() {
  const redis = await startRedis(onTestFinished);
  return startReplicas(onTestFinished, 3, { REDIS_URL: redis.url });
}

describe.skipIf(requires("redis-server", hasRedis))("three replicas with a Redis between them", () => {
  test("three replicas send one request to an origin for 3 × 300 callers, and all get the same response", async () => {
    const replicas = await startThree();
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      setTimeout(() => response.end(picture), 500);
    });
    const url = origin.url("/shared.png");
    const answers = await Promise.all(
      replicas.running.flatMap((replica) => Array.from({ length: 300 }, () => ask(replica, url))),
    );
    expect(origin.requests).toBe(1);
    expect(new Set(answers.map(({ json }) => JSON.stringify(json))).size).toBe(1);
    expect(answers[0]!.json).toMatchObject({ url, bytes: picture.byteLength, width: 64 });
  });

  test("replicas wait for a killed one only until its lock expires, callers only until their deadline", async () => {
    const replicas = await startThree();
    let isOpen = false;
    const waiting: { asker: string; response: ServerResponse }[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      waiting.push({ asker: request.headers["user-agent"]!, response });
      if (isOpen) response.end(picture);
    });
    const requested = async (count: number) => {
      while (waiting.length < count) await after(10);
    };
    const url = origin.url("/shared.png");
    const [one, ...others] = replicas.running;
    const lost = ask(one!, url).catch(() => "lost");
    await requested(1);
    expect(waiting[0]!.asker).toBe("replica/1");
    const patient = others.map((replica) => ask(replica, url));
    const hasty = others.map(async (replica) => {
      const began = performance.now();
      const { status } = await ask(replica, url, 300);
      return { status, ms: performance.now() - began };
    });
    for (const { status, ms } of await Promise.all(hasty)) {
      expect(status).toBe(504);
      expect(ms).toBeLessThan(300 + slackMs);
    }
    await replicas.kill(one!);
    const killed = performance.now();
    expect(await lost).toBe("lost");
    await requested(2);
    expect(performance.now() - killed).toBeLessThan(lockMs + slackMs);
    isOpen = true;
    for (const { response } of waiting) response.end(picture);
    for (const { status, json } of await Promise.all(patient)) expect([status, json.width]).toEqual([200, 64]);
  });

  test("no response is lost or mixed up while replicas and Redis are killed, stalled, filled and flushed", async () => {
    const { wrong, asked, answered, again, blows } = await chaos(onTestFinished, 1000, 700);
    expect(wrong).toEqual([]);
    expect(answered).toBe(asked);
    console.log(`${again} sent again; ${[...blows].map(([name, count]) => `${name} ${count}`).join(", ")}`);
  });
});
