import { once } from "node:events";
import { Agent, get, type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { getPriority } from "node:os";
import { setTimeout as after } from "node:timers/promises";
import { beforeAll, describe, expect, test, type TestContext, vi } from "vitest";
import { ffmpeg } from "../../support/decoder.ts";
import { photo } from "../../support/images.ts";
import { asNobody, canBeNobody, childrenOf, hasPrlimit, lowerLimit } from "../../support/limits.ts";
import { mediaFiles } from "../../support/media-files.ts";
import { type Origin, startOrigin } from "../../support/origin.ts";
import { hasRedis, startRedis } from "../../support/redis.ts";
import { requires } from "../../support/require.ts";
import { type Service, startService } from "../../support/service.ts";

const patient = { timeout: 30_000, interval: 100 };

const blurhash = expect.stringMatching(/^.{28}$/) as unknown;
type OnTestFinished = TestContext["onTestFinished"];
let picture: Buffer;
let video: Buffer | null; // null without ffmpeg

beforeAll(async () => {
  picture = await photo(64, 48).jpeg().toBuffer();
  video = ffmpeg === null ? null : Buffer.from(await mediaFiles.mp4.make());
});

async function start(
  onTestFinished: OnTestFinished,
  settings: Record<string, string> = {},
  wrapper: readonly string[] = [],
): Promise<Service> {
  const all = { ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535", DECODERS: "1", ...settings };
  const service = await startService(all, {}, undefined, wrapper);
  onTestFinished(async () => void (await service.stop()));
  return service;
}

/** The same media with other bytes at each URL: the service remembers what it has decoded by its hash. */
function withTrailer(body: Buffer, url: string): Buffer {
  const trailer = Buffer.alloc(64);
  trailer.writeUInt32BE(trailer.length);
  trailer.write(`free${url}`, 4); // a box that MP4 readers skip (ISO/IEC 14496-12, 8.1.2)
  return Buffer.concat([body, trailer]);
}

const startMedia = (onTestFinished: OnTestFinished) =>
  startOrigin(onTestFinished, ({ url = "" }, response) => {
    response.end(withTrailer(url.endsWith(".mp4") ? video! : picture, url));
  });

interface Reply {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

/** One connection to the service, opened before the descriptors run out: all requests go over it. */
function openLine(onTestFinished: OnTestFinished, service: Service) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const sockets = new Set<Socket>();
  return {
    /** Number of connections used so far. */
    connections: () => sockets.size,
    async get(path: string): Promise<Reply> {
      const asked = request(service.url + path, { agent }).end();
      const [response] = (await once(asked, "response")) as [IncomingMessage];
      sockets.add(response.socket);
      const body = await text(response);
      const isJson = response.headers["content-type"]?.includes("json") ?? false;
      return { status: response.statusCode ?? 0, json: isJson ? (JSON.parse(body) as Reply["json"]) : {} };
    },
    describe(url: string): Promise<Reply> {
      return this.get(`/metadata?url=${encodeURIComponent(url)}`);
    },
  };
}
type Line = ReturnType<typeof openLine>;

let urls = 0;
/** Another URL of the picture each time: nothing is answered from the cache. */
const pictureOf = (origin: Origin) => origin.url(`/${(urls += 1)}.jpg`);

/** Repeats the request until the metadata are complete: workers may still be starting. */
async function expectAllIsWell(line: Line, origin: Origin): Promise<void> {
  const described = async () => (await line.describe(pictureOf(origin))).json;
  await vi.waitFor(async () => expect(await described()).toMatchObject({ width: 64, blurhash, warnings: [] }), patient);
  if (video === null) return;
  const { json } = await line.describe(origin.url(`/${(urls += 1)}.mp4`));
  expect(json).toMatchObject({ type: "video/mp4", width: 96, blurhash, warnings: [] });
}

/** Kills all workers, and waits until they are gone. */
async function killWorkers({ process: { pid = 0 } }: Service): Promise<void> {
  const workers = childrenOf(pid);
  expect(workers.length).toBeGreaterThan(0);
  for (const worker of workers) process.kill(worker, "SIGKILL");
  await vi.waitFor(() => expect(childrenOf(pid).filter((child) => workers.includes(child))).toEqual([]), patient);
}

/** The service survives several attempts to start a worker, and responds on the open connection. */
async function expectAlive(line: Line, service: Service): Promise<void> {
  for (let round = 0; round < 10; round += 1) {
    expect((await line.get("/healthz")).status).toBe(200);
    await after(200);
  }
  expect(service.process.exitCode).toBeNull();
}

// Each test has its own processes, and mostly waits for their restart.
describe.concurrent("a service at the limits of its process", () => {
  describe.skipIf(requires("prlimit", hasPrlimit))("a service without descriptors", () => {
    test("a service without descriptors survives the death of its workers, and recovers with new ones", async ({
      onTestFinished,
    }) => {
      const origin = await startMedia(onTestFinished);
      const service = await start(onTestFinished);
      const line = openLine(onTestFinished, service);
      await expectAllIsWell(line, origin);
      const restore = lowerLimit(service.process.pid!, "nofile", 1);
      await killWorkers(service);
      await expectAlive(line, service);
      expect((await line.get("/readyz")).status).toBe(503);
      expect((await line.get("/")).status).toBe(500); // the page's file cannot be read
      restore();
      expect((await line.get("/")).status).toBe(200);
      await expectAllIsWell(line, origin);
      expect(line.connections()).toBe(1);
    });

    test("a service without descriptors is overloaded, and does not count this against its hosts", async ({
      onTestFinished,
    }) => {
      const origin = await startMedia(onTestFinished);
      const service = await start(onTestFinished);
      const line = openLine(onTestFinished, service);
      await expectAllIsWell(line, origin);
      const restore = lowerLimit(service.process.pid!, "nofile", 1);
      const overloaded = { status: 503, json: { code: "overloaded" } };
      // More failures than the circuit breaker needs to open.
      for (let round = 0; round < 12; round += 1) {
        expect(await line.describe(pictureOf(origin))).toMatchObject(overloaded);
        expect(await line.describe(`http://media.example-cdn.net:${origin.port}/${round}`)).toMatchObject(overloaded);
      }
      restore();
      expect(await line.describe(pictureOf(origin))).toMatchObject({ status: 200, json: { width: 64 } });
      expect(service.output()).not.toContain("unexpected error");
    });

    test.skipIf(requires("ffmpeg", ffmpeg !== null))(
      "a service loses only the posters of its time without descriptors",
      async ({ onTestFinished }) => {
        const beginning = 200;
        const finish: (() => void)[] = [];
        const origin = await startOrigin(onTestFinished, ({ url = "" }, response) => {
          const body = withTrailer(video!, url);
          response.writeHead(200, { "content-length": body.byteLength }).write(body.subarray(0, beginning));
          finish.push(() => response.end(body.subarray(beginning)));
        });
        const service = await start(onTestFinished, { QUEUE: "4" }); // fewer posters may wait than fail below
        const line = openLine(onTestFinished, service);
        for (let round = 0; round < 6; round += 1) {
          const asked = line.describe(origin.url(`/${round}.mp4`));
          await vi.waitFor(() => expect(finish).toHaveLength(round + 1), patient.timeout);
          const restore = lowerLimit(service.process.pid!, "nofile", 1);
          finish[round]!();
          const expected = { width: 96, blurhash: null, warnings: ["decode_failed"] };
          expect(await asked).toMatchObject({ status: 200, json: expected });
          restore();
        }
        const last = line.describe(origin.url("/last.mp4"));
        await vi.waitFor(() => expect(finish).toHaveLength(7), patient.timeout);
        finish[6]!();
        expect(await last).toMatchObject({ status: 200, json: { width: 96, blurhash, warnings: [] } });
      },
    );

    test.skipIf(requires("redis-server", hasRedis))(
      "a service without descriptors survives Redis restarts",
      async ({ onTestFinished }) => {
        const origin = await startMedia(onTestFinished);
        const redis = await startRedis(onTestFinished);
        const service = await start(onTestFinished, { REDIS_URL: redis.url });
        const line = openLine(onTestFinished, service);
        await expectAllIsWell(line, origin);
        const restore = lowerLimit(service.process.pid!, "nofile", 1);
        await redis.kill();
        await redis.restart();
        await expectAlive(line, service);
        expect(await line.get("/readyz")).toMatchObject({ json: { status: "degraded" } });
        restore();
        await vi.waitFor(
          async () => expect(await line.get("/readyz")).toMatchObject({ json: { status: "ok" } }),
          patient,
        );
      },
    );
  });

  test.skipIf(requires("prlimit", hasPrlimit))(
    "a service with very few descriptors starts with a warning, and describes pictures and videos",
    async ({ onTestFinished }) => {
      const origin = await startMedia(onTestFinished);
      const service = await start(onTestFinished, {}, ["prlimit", "--nofile=128:128"]);
      expect(service.output()).toContain("the limit of open files is 128, and these settings need 520");
      await expectAllIsWell(openLine(onTestFinished, service), origin);
    },
  );

  test.skipIf(requires("prlimit", hasPrlimit))(
    "a service with too few descriptors to be loaded refuses to start and prints the limit",
    async ({ onTestFinished }) => {
      const started = start(onTestFinished, {}, ["prlimit", "--nofile=64:64"]);
      await expect(started).rejects.toThrow(
        "exited with 69 before it listened:\nmedia-oracle: the limit of open files is 64, and at least 128 are needed",
      );
    },
  );

  test.skipIf(requires("root user with a checkout that others can read", canBeNobody))(
    "a service that may not start another process outlives the death of its workers, keeps its priority, and recovers",
    async ({ onTestFinished }) => {
      const origin = await startMedia(onTestFinished);
      const service = await start(onTestFinished, {}, asNobody);
      const line = openLine(onTestFinished, service);
      await expectAllIsWell(line, origin);
      const restore = lowerLimit(service.process.pid!, "nproc", 1, asNobody);
      await killWorkers(service);
      await expectAlive(line, service);
      expect(await line.describe(pictureOf(origin))).toMatchObject({
        status: 200,
        json: { width: 64, blurhash: null },
      });
      expect(getPriority(service.process.pid)).toBe(getPriority());
      restore();
      await expectAllIsWell(line, origin);
    },
  );

  describe.skipIf(requires("prlimit", hasPrlimit))("strangers who open connections and send nothing", () => {
    const limit = 256;
    const strangers = 400;

    /** Keeps this number of connections open, as far as the service allows: replaces closed ones. */
    function besiege(onTestFinished: OnTestFinished, { url }: Service) {
      const { hostname, port } = new URL(url);
      const open = new Set<Socket>();
      let isOver = false;
      let closed = 0;
      function enter(): void {
        if (isOver) return;
        const socket = connect(Number(port), hostname).resume();
        open.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => {
          open.delete(socket);
          closed += 1;
          setTimeout(enter, 100);
        });
      }
      const end = () => {
        isOver = true;
        for (const socket of open) socket.destroy();
      };
      onTestFinished(end);
      for (let index = 0; index < strangers; index += 1) enter();
      return { open: () => open.size, closed: () => closed, end, stopEntering: () => void (isOver = true) };
    }

    const startBesieged = (onTestFinished: OnTestFinished) =>
      start(onTestFinished, { FETCH_CONCURRENCY: "8" }, ["prlimit", `--nofile=${limit}:${limit}`]);

    test("idle connections are bounded: workers are replaced, and existing connections are still served", async ({
      onTestFinished,
    }) => {
      const origin = await startMedia(onTestFinished);
      const service = await startBesieged(onTestFinished);
      const line = openLine(onTestFinished, service);
      await expectAllIsWell(line, origin);
      const [, bound = NaN] = /"maxConnections":(\d+)/.exec(service.output()) ?? [];
      const siege = besiege(onTestFinished, service);
      await vi.waitFor(() => expect(siege.closed()).toBeGreaterThan(strangers - Number(bound)), patient);
      await killWorkers(service);
      await expectAllIsWell(line, origin);
      await expectAlive(line, service);
      expect(line.connections()).toBe(1);
      const refusals = service.output().match(/^.*above the limit.*$/gm);
      expect(refusals).toHaveLength(1); // once a minute, for any number of refusals
    });

    test("idle connections do not lock others out: they are closed, and a new connection gets a response", async ({
      onTestFinished,
    }) => {
      const service = await startBesieged(onTestFinished);
      const siege = besiege(onTestFinished, service);
      await vi.waitFor(() => expect(siege.closed()).toBeGreaterThan(0), patient);
      siege.stopEntering(); // the accepted ones stay open
      // A new connection each time: `fetch` would wait for ever if one is closed before it has sent anything.
      const healthy = () =>
        new Promise((resolve) => {
          get(`${service.url}/healthz`, { agent: false }, ({ statusCode }) => resolve(statusCode)).on("error", resolve);
        });
      await vi.waitFor(async () => expect(await healthy()).toBe(200), { timeout: 15_000, interval: 200 });
    });
  });
});
