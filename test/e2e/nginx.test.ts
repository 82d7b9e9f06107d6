import { json as readJson } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mediaFiles } from "../support/media-files.ts";
import { type Balancer, hasNginx, startBalancer } from "../support/nginx.ts";
import { startOrigin } from "../support/origin.ts";
import type { OnFinished } from "../support/prosody.ts";
import { send, startReplicas } from "../support/replicas.ts";
import { requires } from "../support/require.ts";

const ask = {
  GET: (balancer: Balancer, url: string) => send("GET", `${balancer.url}/metadata?url=${encodeURIComponent(url)}`),
  POST: (balancer: Balancer, url: string) => send("POST", `${balancer.url}/metadata`, { url, deadlineMs: 9000 }),
};

async function startScene(onFinished: OnFinished) {
  const picture = await mediaFiles.png.make();
  /** User-Agent headers of the origin requests, by path; each replica has its own. */
  const agents = new Map<string, string[]>();
  const origin = await startOrigin(onFinished, ({ url, headers }, response) => {
    agents.set(url!, [...(agents.get(url!) ?? []), headers["user-agent"]!]);
    response.end(picture);
  });
  const { running } = await startReplicas(onFinished, 2, {});
  return { replicas: running, origin, agents, balancer: await startBalancer(onFinished, running) };
}

type Scene = Awaited<ReturnType<typeof startScene>>;

describe.skipIf(requires("nginx", hasNginx))("nginx with deploy/nginx/media-oracle.conf", () => {
  let scene: Scene;
  const cleanUps: (() => void | Promise<void>)[] = [];
  beforeAll(async () => {
    scene = await startScene((cleanUp) => cleanUps.unshift(cleanUp));
  });
  afterAll(async () => {
    for (const cleanUp of cleanUps) await cleanUp();
  });

  test.for(["GET", "POST"] as const)(
    "nginx sends %s requests for one URL to always the same replica, and spreads the URLs over the replicas",
    async (method) => {
      const { origin, agents, balancer } = scene;
      const paths = Array.from({ length: 16 }, (_, file) => `/${method}/${file}.png?a=1&b=%20`);
      for (const path of [...paths, ...paths, ...paths]) {
        const reply = await ask[method](balancer, origin.url(path));
        expect(await readJson(reply)).toMatchObject({ type: "image/png", url: origin.url(path) });
      }
      const agentsByPath = paths.map((path) => agents.get(path));
      expect(agentsByPath.map((names) => names?.length)).toEqual(Array(16).fill(1));
      expect(new Set(agentsByPath.flat())).toEqual(new Set(["replica/1", "replica/2"]));
    },
  );

  test("nginx forwards a GET for the longest URL, each character of it percent-encoded", async () => {
    const { origin, balancer } = scene;
    const url = origin.url("/long?").padEnd(8192, "a");
    const query = url.replace(/./g, (character) => `%${character.charCodeAt(0).toString(16)}`);
    const reply = await send("GET", `${balancer.url}/metadata?url=${query}`);
    expect(await readJson(reply)).toMatchObject({ type: "image/png", url });
  });

  test("nginx forwards a batch of the maximum size, and does not forward /metrics", async () => {
    const { origin, balancer } = scene;
    const urls = Array.from({ length: 100 }, (_, index) => origin.url(`/${index}?${"a".repeat(8100)}`));
    expect((await send("POST", `${balancer.url}/metadata/batch`, { urls, deadlineMs: 100 })).statusCode).toBe(200);
    expect((await send("GET", `${balancer.url}/metrics`)).statusCode).toBe(404);
  });

  test("nginx retries on another replica if one is down, and its log contains no path", async ({ onTestFinished }) => {
    const { replicas, origin, balancer } = await startScene(onTestFinished);
    await replicas[0]!.stop();
    for (let file = 0; file < 8; file += 1) {
      expect((await ask.GET(balancer, origin.url(`/secret-${file}.png`))).statusCode).toBe(200);
      expect((await ask.POST(balancer, origin.url(`/secret-${file}.png`))).statusCode).toBe(200);
    }
    await replicas[1]!.stop();
    expect((await ask.GET(balancer, origin.url("/secret.png"))).statusCode).toBe(502);
    await expect.poll(() => balancer.log()).toContain("GET /metadata 502");
    expect(balancer.log()).not.toContain("secret");
  });
});
