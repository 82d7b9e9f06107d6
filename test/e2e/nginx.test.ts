import { writeFileSync } from "node:fs";
import { request } from "node:https";
import { json as readJson } from "node:stream/consumers";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mediaFiles } from "../support/media-files.ts";
import { type Balancer, hasNginx, readNginxFile, startBalancer, startNginx } from "../support/nginx.ts";
import { makeCertificates, startOrigin } from "../support/origin.ts";
import { freePort, type OnFinished } from "../support/prosody.ts";
import { send, startReplicas } from "../support/replicas.ts";
import { requires } from "../support/require.ts";
import { startService } from "../support/service.ts";

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

  test(
    "nginx retries on another replica if one is down, and its log contains no path",
    { timeout: 60_000 },
    async ({ onTestFinished }) => {
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
    },
  );
});

describe.skipIf(requires("nginx", hasNginx))("nginx with deploy/nginx/tls.conf", () => {
  test("the rate limit behind the TLS front counts each client address, and ignores an X-Forwarded-For of the client", async ({
    onTestFinished,
  }) => {
    const settings = { RATE_LIMIT: "2", TRUSTED_PROXIES: "127.0.0.1/32", DECODERS: "1" };
    const service = await startService({ ...settings, ALLOW_ADDRESSES: "127.0.0.1/32", ALLOW_PORTS: "1-65535" });
    onTestFinished(async () => void (await service.stop()));
    const origin = await startOrigin(onTestFinished, (_request, response) => void response.end("text"));
    const { key, cert } = makeCertificates().good;
    const port = await freePort();
    const log = await startNginx(onTestFinished, (folder, log) => {
      writeFileSync(join(folder, "cert.pem"), cert);
      writeFileSync(join(folder, "key.pem"), key);
      return readNginxFile("tls.conf")
        .replace("listen 443 ssl", `listen 127.0.0.1:${port} ssl`)
        .replace("listen [::]:443 ssl;", "")
        .replace(/ssl_certificate .*;/, `ssl_certificate ${folder}/cert.pem;`)
        .replace(/ssl_certificate_key .*;/, `ssl_certificate_key ${folder}/key.pem;`)
        .replace("http://127.0.0.1:8080", service.url)
        .replaceAll(/\/var\/log\/nginx\/\S+/g, log);
    });
    let count = 0;
    /** Sends a question for a new URL from an address of the loopback network. */
    const askFrom = (localAddress: string, forwarded?: string) =>
      new Promise<number>((resolve, reject) => {
        count += 1;
        const path = `/metadata?url=${encodeURIComponent(origin.url(`/secret-${count}`))}`;
        const headers = forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
        request({ host: "127.0.0.1", port, path, localAddress, headers, rejectUnauthorized: false }, (response) => {
          response.resume().on("end", () => resolve(response.statusCode!));
        })
          .on("error", reject)
          .end();
      });
    expect([await askFrom("127.0.0.2"), await askFrom("127.0.0.2", "192.0.2.1")]).toEqual([200, 200]);
    expect([await askFrom("127.0.0.2"), await askFrom("127.0.0.2", "192.0.2.1, 127.0.0.1")]).toEqual([429, 429]);
    expect(await askFrom("127.0.0.3")).toBe(200);
    expect(service.output()).toContain('"address":"127.0.0.2","code":"rate_limited"');
    await expect.poll(log).toContain("127.0.0.3 GET /metadata 200");
    expect(log()).not.toContain("secret");
  });
});
