/** Tests fairness: hostile origins must not exhaust the slots or the memory, or block other hosts. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import sharp from "sharp";
import { describe, expect, test, type TestContext } from "vitest";
import { crlf, ok } from "../../support/hostile.ts";
import { noise } from "../../support/images.ts";
import { makeCertificates, startOrigin, startSpeakingOrigin, startTlsOrigin } from "../../support/origin.ts";
import { type Answer, ask } from "../../support/replicas.ts";
import { type Service, startService } from "../../support/service.ts";
import { healthyPng } from "../../support/siege.ts";

type OnTestFinished = TestContext["onTestFinished"];

const megabyte = 1_000_000;

async function start(onTestFinished: OnTestFinished, environment: NodeJS.ProcessEnv = {}): Promise<Service> {
  const service = await startService({ ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535" }, environment);
  onTestFinished(async () => void (await service.stop()));
  return service;
}

/** The origin listens on all loopback addresses, so a test can use any number of hosts. */
const everyHost = { host: "0.0.0.0" };

const hashesOf = (answers: readonly Answer[]) =>
  answers.map(({ status, json }) => [status, json.code ?? json.warnings, typeof json.blurhash]);
const described = [200, [], "string"];

// Each test has its own service and origins, and mostly waits for the timeout of a fetch.
describe.concurrent("hostile origins", () => {
  test("eight PDFs that stall at 33 MB leave slots and memory for ten photos, which are all described", async ({
    onTestFinished,
  }) => {
    const service = await start(onTestFinished);
    const pdf = Buffer.alloc(33 * megabyte, "%PDF-1.7\n"); // in buffers of 32 MiB: seven of them are all but a small rest
    let sent = 0;
    const stopping = await startSpeakingOrigin(
      onTestFinished,
      (socket) => {
        socket.write(`${ok}Content-Length: ${60 * megabyte}${crlf}${crlf}`);
        socket.write(pdf, () => (sent += 1));
      },
      everyHost,
    );
    // A small picture in a body of the size of a photo, so that the test does not depend on the speed of the decoders.
    const photo = Buffer.concat([
      await sharp(noise(64, 64, 1), { raw: { width: 64, height: 64, channels: 4 } })
        .jpeg()
        .toBuffer(),
      Buffer.alloc(1.4 * megabyte),
    ]);
    const photos = await startOrigin(onTestFinished, (request, response) => {
      response.end(Buffer.concat([photo, Buffer.from(request.url!)])); // a different file each
    });
    const pdfs = [1, 2, 3, 4, 5, 6, 7, 8].map((host) => ask(service, `http://127.0.${host}.1:${stopping.port}/a.pdf`));
    while (sent < 2) await after(20);
    await after(1000); // enough time to read the other files
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => ask(service, photos.url(`/${index}.jpg`))),
    );
    expect(hashesOf(answers)).toEqual(Array(10).fill(described));
    for (const { json } of await Promise.all(pdfs)) {
      expect(json).toMatchObject({ type: "application/pdf", bytes: 60 * megabyte, bytesSource: "declared" });
      expect(["body_timeout", "decode_timeout"]).toContain((json.warnings as string[])[0]);
    }
  });

  test("64 slow-drip hosts hold every slot, and yield to ten healthy pictures within their deadline", async ({
    onTestFinished,
  }) => {
    const service = await start(onTestFinished);
    const sockets = new Set<Socket>();
    const timer = setInterval(() => {
      for (const socket of sockets) socket.write("a");
    }, 100);
    onTestFinished(() => clearInterval(timer));
    const dripping = await startSpeakingOrigin(
      onTestFinished,
      (socket) => {
        socket.write(`${ok}Content-Length: 100000${crlf}${crlf}GIF89a`);
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
      },
      everyHost,
    );
    const healthy = await startOrigin(onTestFinished, (_request, response) => response.end(healthyPng), everyHost);
    const drips = Array.from({ length: 64 }, (_, host) =>
      ask(service, `http://127.0.${host}.1:${dripping.port}/a.gif`),
    );
    while (sockets.size < 64) await after(20);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, host) => ask(service, `http://127.1.${host}.1:${healthy.port}/a.png`, 10_000)),
    );
    expect(hashesOf(answers)).toEqual(Array(10).fill(described));
    for (const { json } of await Promise.all(drips)) {
      expect(json).toMatchObject({ type: "image/gif", warnings: ["body_timeout"] });
    }
  });

  test("silent URLs of a host yield to its healthy ones, and are unreachable", async ({ onTestFinished }) => {
    const service = await start(onTestFinished);
    const origin = await startOrigin(onTestFinished, (request, response) => {
      if (!request.url!.startsWith("/silent")) response.end(healthyPng);
    });
    const silent = Array.from({ length: 16 }, (_, index) => ask(service, origin.url(`/silent/${index}`)));
    while (origin.requests < 16) await after(20);
    const answers = await Promise.all([0, 1, 2, 3].map((index) => ask(service, origin.url(`/${index}.png`), 10_000)));
    expect(hashesOf(answers)).toEqual(Array(4).fill(described));
    for (const { status, json } of await Promise.all(silent)) {
      expect([status, json.code]).toEqual([502, "source_unreachable"]);
    }
  });

  test("ten http URLs on an https port, and ten reset connections, do not make the host unreachable", async ({
    onTestFinished,
  }) => {
    const { ca, good } = makeCertificates();
    const folder = await mkdtemp(join(tmpdir(), "media-oracle-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, "ca.pem"), ca);
    const service = await start(onTestFinished, { NODE_EXTRA_CA_CERTS: join(folder, "ca.pem") });
    const origin = await startTlsOrigin(onTestFinished, good, (request, response) => {
      if (request.url!.startsWith("/reset")) request.socket.destroy();
      else response.end(healthyPng);
    });
    for (let index = 0; index < 10; index += 1) {
      const wrongScheme = await ask(service, `http://127.0.0.1:${origin.port}/${index}.png`);
      const reset = await ask(service, origin.url(`/reset/${index}`));
      expect([wrongScheme.status, reset.status]).toEqual([502, 502]);
    }
    expect(hashesOf([await ask(service, origin.url("/a.png"))])).toEqual([described]);
  });
});
