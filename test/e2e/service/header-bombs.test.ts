import { json as readJson, text as readText } from "node:stream/consumers";
import sharp from "sharp";
import { expect, onTestFinished, test } from "vitest";
import { hugeBigTiff, hugeQoi, iconBomb } from "../../support/bombs.ts";
import { noise } from "../../support/images.ts";
import { type Origin, startOrigin } from "../../support/origin.ts";
import { processCpuMs } from "../../support/process-cpu.ts";
import { ask, send, waitUntilReady } from "../../support/replicas.ts";
import { type Service, startService } from "../../support/service.ts";

// Before the work of header parsers was bounded, one of these icons took more than a second of the service's own process.
const maxLookupsMs = 1000;
const maxHealthMs = 300;

async function start(settings: Record<string, string> = {}): Promise<Service> {
  const common = { ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535", DECODERS: "1", PER_HOST: "64" };
  const service = await startService({ ...common, ...settings });
  onTestFinished(async () => void (await service.stop()));
  await waitUntilReady(service);
  return service;
}

async function startFiles(files: Readonly<Record<string, Uint8Array>>): Promise<Origin> {
  return startOrigin(onTestFinished, (request, response) => response.end(files[request.url!.split("?")[0]!]));
}

async function health(service: Service): Promise<number> {
  const reply = await send("GET", `${service.url}/healthz`);
  reply.resume();
  return reply.statusCode!;
}

test.each([
  ["with the default formats, all fields", {}, undefined, { type: "image/vnd.microsoft.icon", width: 16 }],
  ["with FORMATS=jpeg, the type alone", { FORMATS: "jpeg" }, ["type"], { type: "image/vnd.microsoft.icon" }],
])(
  "four icons whose entries share a PNG of thousands of chunks do not block the event loop: %s",
  async (_, settings, fields, expected) => {
    const service = await start(settings);
    const origin = await startFiles({ "/icon": iconBomb(), "/text": Buffer.from("text") });
    await ask(service, origin.url("/text"));
    expect(await health(service)).toBe(200);

    const pid = service.process.pid!;
    const before = processCpuMs(pid);
    const running = { isOver: false };
    const lookups = [1, 2, 3, 4].map(async (number) =>
      readJson(await send("POST", `${service.url}/metadata`, { url: origin.url(`/icon?${number}`), fields })),
    );
    const described = Promise.all(lookups).finally(() => (running.isOver = true));
    const healthCpuMs: number[] = [];
    do {
      const began = processCpuMs(pid);
      expect(await health(service)).toBe(200);
      healthCpuMs.push(processCpuMs(pid) - began);
    } while (!running.isOver);
    expect(await described).toMatchObject(Array(4).fill(expected));
    expect(processCpuMs(pid) - before).toBeLessThan(maxLookupsMs);
    expect(Math.max(...healthCpuMs)).toBeLessThan(maxHealthMs);
  },
);

test("files that declare impossible sizes cost no decoder process, and PNGs beside them have their hashes", async () => {
  const [callers, rounds] = [8, 5];
  const png = (seed: number) => sharp(noise(64, 64, seed), { raw: { width: 64, height: 64, channels: 4 } }).png();
  const pngs = await Promise.all(Array.from({ length: rounds * callers }, (_, seed) => png(seed + 1).toBuffer()));
  const origin = await startFiles({
    "/tiff": hugeBigTiff(),
    "/qoi": hugeQoi(),
    ...Object.fromEntries(pngs.map((bytes, number) => [`/png/${number}`, bytes])),
  });
  const service = await start();
  const all = Array.from({ length: callers }, async (_, caller) => {
    for (let round = 0; round < rounds; round += 1) {
      const number = caller * rounds + round;
      const [tiff, qoi, healthy] = await Promise.all(
        [`/tiff?${number}`, `/qoi?${number}`, `/png/${number}`].map((path) => ask(service, origin.url(path))),
      );
      expect(tiff).toMatchObject({ status: 200, json: { type: "image/tiff", width: null, height: null } });
      expect(qoi).toMatchObject({ status: 200, json: { type: "image/qoi", width: null, height: null } });
      expect(healthy!.json).toMatchObject({ width: 64, blurhash: expect.stringMatching(/^.{28}$/) as string });
    }
  });
  await Promise.all(all);
  const metrics = await readText(await send("GET", `${service.url}/metrics`));
  expect(metrics).toContain("media_oracle_decoder_restarts_total 0\n");
});
