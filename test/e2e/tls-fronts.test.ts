import { writeFileSync } from "node:fs";
import { type RequestOptions, request } from "node:https";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { hasCaddy, startCaddy } from "../support/caddy.ts";
import { hasNginx, readNginxFile, startNginx } from "../support/nginx.ts";
import { makeCertificates, startOrigin } from "../support/origin.ts";
import { freePort, type OnFinished } from "../support/prosody.ts";
import { requires } from "../support/require.ts";
import { startService } from "../support/service.ts";

const certificate = makeCertificates().good;

/** Starts a TLS front with the shipped configuration on a port; returns its log so far. */
type StartFront = (onFinished: OnFinished, port: number, serviceUrl: string) => Promise<() => string>;

const startNginxFront: StartFront = (onFinished, port, serviceUrl) =>
  startNginx(onFinished, (folder, log) => {
    writeFileSync(join(folder, "cert.pem"), certificate.cert);
    writeFileSync(join(folder, "key.pem"), certificate.key);
    return readNginxFile("tls.conf")
      .replace("listen 443 ssl", `listen 127.0.0.1:${port} ssl`)
      .replace("listen [::]:443 ssl;", "")
      .replace(/ssl_certificate .*;/, `ssl_certificate ${folder}/cert.pem;`)
      .replace(/ssl_certificate_key .*;/, `ssl_certificate_key ${folder}/key.pem;`)
      .replace("http://127.0.0.1:8080", serviceUrl)
      .replaceAll(/\/var\/log\/nginx\/\S+/g, log);
  });

const startCaddyFront: StartFront = (onFinished, port, serviceUrl) =>
  startCaddy(onFinished, certificate, port, serviceUrl);

describe.each([
  { name: "nginx", isInstalled: hasNginx, startFront: startNginxFront, logged: "127.0.0.3 GET /metadata 200" },
  // Caddy logs no requests by default.
  { name: "Caddy", isInstalled: hasCaddy, startFront: startCaddyFront, logged: "serving initial configuration" },
])("$name as TLS front with the shipped configuration", ({ name, isInstalled, startFront, logged }) => {
  async function startScene(onFinished: OnFinished, settings: Record<string, string>) {
    const service = await startService({
      ...settings,
      TRUSTED_PROXIES: "127.0.0.1/32",
      DECODERS: "1",
      ALLOW_ADDRESSES: "127.0.0.1/32",
      ALLOW_PORTS: "1-65535",
    });
    onFinished(async () => void (await service.stop()));
    const origin = await startOrigin(onFinished, (_request, response) => void response.end("text"));
    const port = await freePort();
    const log = await startFront(onFinished, port, service.url);
    /** Sends a request over TLS; returns the status and the body. */
    const send = (path: string, options: RequestOptions = {}, body?: string) =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        request({ host: "127.0.0.1", port, path, rejectUnauthorized: false, ...options }, (response) => {
          void readText(response).then((text) => resolve({ status: response.statusCode!, text }), reject);
        })
          .on("error", reject)
          .end(body);
      });
    return { service, origin, log, send };
  }

  test.skipIf(requires(name.toLowerCase(), isInstalled))(
    `behind ${name} the rate limit counts each client address, and ignores an X-Forwarded-For of the client`,
    async ({ onTestFinished }) => {
      const { service, origin, log, send } = await startScene(onTestFinished, { RATE_LIMIT: "2" });
      let count = 0;
      /** Looks up a new URL from an address of the loopback network. */
      const askFrom = async (localAddress: string, forwarded?: string) => {
        count += 1;
        const headers = forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
        const url = encodeURIComponent(origin.url(`/secret-${count}`));
        return (await send(`/metadata?url=${url}`, { localAddress, headers })).status;
      };
      expect([await askFrom("127.0.0.2"), await askFrom("127.0.0.2", "192.0.2.1")]).toEqual([200, 200]);
      expect([await askFrom("127.0.0.2"), await askFrom("127.0.0.2", "192.0.2.1, 127.0.0.1")]).toEqual([429, 429]);
      expect(await askFrom("127.0.0.3")).toBe(200);
      await expect.poll(() => service.output()).toContain('"address":"127.0.0.2","code":"rate_limited"');
      await expect.poll(log).toContain(logged);
      expect(log()).not.toContain("secret");
    },
  );

  test.skipIf(requires(name.toLowerCase(), isInstalled))(
    `${name} forwards a batch, does not forward /metrics, and logs no URL of a failed request`,
    async ({ onTestFinished }) => {
      const { service, origin, log, send } = await startScene(onTestFinished, {});
      const urls = Array.from({ length: 100 }, (_, file) => origin.url(`/${file}?${"a".repeat(8100)}`));
      const headers = { "content-type": "application/json", accept: "application/x-ndjson" };
      const batch = await send("/metadata/batch", { method: "POST", headers }, JSON.stringify({ urls }));
      expect([batch.status, batch.text.trimEnd().split("\n").length]).toEqual([200, urls.length]);
      expect((await send("/metrics")).status).toBe(404);
      await service.stop();
      expect((await send(`/metadata?url=${encodeURIComponent(origin.url("/secret"))}`)).status).toBe(502);
      expect(log()).not.toContain("secret");
    },
  );
});
