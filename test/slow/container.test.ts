import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { beforeAll, describe, expect, test } from "vitest";
import { makeBombs } from "../support/bombs.ts";
import {
  addedBytes,
  buildImage,
  type Container,
  containersNeed,
  makeBaseImages,
  type Machine,
  makeVolume,
  runContainer,
  startContainer,
  startMachine,
  startProsodyContainer,
} from "../support/container.ts";
import { mediaFiles } from "../support/media-files.ts";
import { startOrigin } from "../support/origin.ts";
import { ask } from "../support/replicas.ts";
import { requires } from "../support/require.ts";
import { connect, metadataOf } from "../support/xmpp.ts";

const needed = containersNeed();
const isLacking = requires(`${needed ?? "nothing"}, which containers need,`, needed === null);

const settings = { ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535", PER_HOST: "64" };

/** Where an image is built besides. */
const patience = { timeout: 1_800_000 };

const log = (machine: Machine) => machine.run("journalctl", "--no-pager", "-u", "media-oracle");

/** Of a BlurHash, what can be said of any. */
const hash: unknown = expect.stringMatching(/^.{28}$/);

describe.skipIf(isLacking)("the image", () => {
  let slim: string;
  let full: string;
  let picture: Buffer;
  let video: Buffer;
  beforeAll(async () => {
    await makeBaseImages();
    slim = await buildImage("slim");
    full = await buildImage("full");
    picture = await mediaFiles.jpeg.make();
    video = await mediaFiles.mp4.make();
  }, 1_800_000);

  test("describes a picture as user 1000, on a read-only root, without a capability", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(picture));
    const container = await startContainer(onTestFinished, slim, settings);
    const { json } = await ask(container, origin.url("/a.jpg"));
    expect(json).toMatchObject({ bytes: picture.byteLength, type: "image/jpeg", blurhash: hash });
    const { output } = await container.exec("cat", "/proc/1/status");
    expect(output).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
    expect(output).toMatch(/^CapBnd:\t0+$/m);
    expect(output).toMatch(/^NoNewPrivs:\t1$/m);
    expect(await container.exec("touch", "/app/written", "/tmp/written")).toMatchObject({
      code: 1,
      output: expect.stringMatching(/(.*Read-only file system\s*){2}/),
    });
  });

  test("the service and each of its decoders have jemalloc", async ({ onTestFinished }) => {
    const container = await startContainer(onTestFinished, slim, settings);
    const look =
      'for p in /proc/[0-9]*; do case $(readlink $p/exe) in */node) grep -c "r-xp.*jemalloc" $p/maps; esac; done';
    const { output } = await container.exec("sh", "-c", look);
    const counts = output.trim().split("\n");
    expect(counts.length).toBeGreaterThan(1);
    expect(new Set(counts)).toEqual(new Set(["1"]));
  });

  test("`health` says 0 where it answers, and 1 where it does not", async ({ onTestFinished }) => {
    const container = await startContainer(onTestFinished, slim, settings);
    expect(await container.exec("node", "dist/main.js", "health")).toMatchObject({ code: 0 });
    expect(await container.exec("env", "MEDIA_ORACLE_PORT=1", "node", "dist/main.js", "health")).toMatchObject({
      code: 1,
    });
  });

  test("SIGTERM: who has asked is answered, and it exits with 0", async ({ onTestFinished }) => {
    let hold: ((response: ServerResponse) => void) | undefined;
    const held = new Promise<ServerResponse>((resolve) => (hold = resolve));
    const origin = await startOrigin(onTestFinished, (_request, response) => hold!(response));
    const container = await startContainer(onTestFinished, slim, settings);
    const answer = ask(container, origin.url("/a.jpg"));
    const response = await held;
    const exit = once(container.process, "exit");
    container.process.kill("SIGTERM");
    await expect.poll(() => container.output()).toContain("shutting down");
    response.end(picture);
    expect(await answer).toMatchObject({ status: 200, json: { blurhash: hash } });
    expect(await exit).toEqual([0, null]);
  });

  test("without tokens it does not start where others can reach it, and says why", async () => {
    const { code, output } = await runContainer(slim);
    expect(code).toBe(78);
    expect(output).toContain("MEDIA_ORACLE_TOKENS");
  });

  test("with ffmpeg a video has a hash, without it all but that", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(video));
    const told = async (image: string) => {
      const container = await startContainer(onTestFinished, image, settings);
      return (await ask(container, origin.url("/a.mp4"))).json;
    };
    expect(await told(slim)).toMatchObject({ type: "video/mp4", durationMs: 2000, blurhash: null });
    expect(await told(full)).toMatchObject({ type: "video/mp4", durationMs: 2000, blurhash: hash });
  });

  test("what it remembers outlives it, on a volume of its own", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(picture));
    const mount = ["--volume", `${await makeVolume(onTestFinished)}:/var/lib/media-oracle`];
    const remembering = { ...settings, CACHE_FILE: "/var/lib/media-oracle/cache" };
    const first = await startContainer(onTestFinished, slim, remembering, mount);
    await ask(first, origin.url("/a.jpg"));
    expect(await first.stop()).toBe(0);
    const second = await startContainer(onTestFinished, slim, remembering, mount);
    expect((await ask(second, origin.url("/a.jpg"))).cacheStatus).toContain("hit");
    expect(origin.requests).toBe(1);
  });

  describe("in 384 MB, of which the kernel gives it no more", () => {
    const limits = ["--memory", "384m", "--memory-swap", "384m", "--pids-limit", "256"];
    const small = { ...settings, FETCH_BYTES: String(96 * 2 ** 20) };

    /** Whether the kernel killed a process for want of memory, by either version of control groups. */
    async function expectNobodyKilled(container: Container): Promise<void> {
      const cat = (...files: readonly string[]) =>
        container.exec("sh", "-c", `cd /sys/fs/cgroup; cat ${files.join(" ")} 2>/dev/null`);
      const { output: peak } = await cat("memory/memory.max_usage_in_bytes", "memory.peak");
      console.log(`at most ${Math.round(Number(peak) / 2 ** 20)} MiB of 384, file cache included`);
      expect((await cat("memory/memory.oom_control", "memory.events")).output).toMatch(/^oom_kill 0$/m);
    }

    test("bombs cost themselves", async ({ onTestFinished }) => {
      const bombs = await makeBombs();
      const origin = await startOrigin(onTestFinished, ({ url }, response) => {
        response.end(bombs[Number(url!.slice(1))]?.body ?? picture);
      });
      const container = await startContainer(onTestFinished, slim, small, limits);
      const answers = await Promise.all(bombs.map((_bomb, index) => ask(container, origin.url(`/${String(index)}`))));
      expect(answers.map(({ json }) => json.type)).toEqual(bombs.map(({ format }) => `image/${format}`));
      expect((await ask(container, origin.url("/picture"))).json.blurhash).toEqual(hash);
      await expectNobodyKilled(container);
    });

    test("large bodies share what there is", async ({ onTestFinished }) => {
      // As many as are read at once, each larger than all together may keep.
      const megabyte = Buffer.concat([picture, Buffer.alloc(2 ** 20)]);
      const origin = await startOrigin(onTestFinished, ({ url }, response) => {
        if (url === "/picture") return void response.end(picture);
        response.on("drain", () => {
          while (response.write(megabyte));
        });
        response.write(megabyte);
      });
      const container = await startContainer(onTestFinished, slim, small, limits);
      const urls = Array.from({ length: 64 }, (_, index) => origin.url(`/${String(index)}`));
      const answers = await Promise.all(urls.map((url) => ask(container, url)));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 503]));
      expect((await ask(container, origin.url("/picture"))).json.blurhash).toEqual(hash);
      await expectNobodyKilled(container);
    });
  });

  test("Prosody's image, as compose.yaml runs it, adds what this one says", patience, async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(picture));
    const oracle = await startContainer(onTestFinished, slim, settings);
    const prosody = await startProsodyContainer(onTestFinished, oracle, ["alice"]);
    const alice = await connect(onTestFinished, prosody, "alice");
    await alice.enter("lounge@rooms.localhost", "alice");
    await alice.say("lounge@rooms.localhost", "m1", origin.url("/a.jpg"));
    const added = metadataOf(await alice.hear("m1"));
    expect(added).toEqual([expect.objectContaining({ bytes: String(picture.byteLength), type: "image/jpeg" })]);
  });

  test(
    "systemd runs the unit behind all its walls, and it remembers over a restart",
    patience,
    async ({ onTestFinished }) => {
      const origin = await startOrigin(onTestFinished, (_request, response) => response.end(picture));
      const machine = await startMachine(onTestFinished, slim, settings);
      await expect.poll(() => log(machine), { timeout: 60_000, interval: 500 }).toContain("listening at");
      expect(await log(machine)).toContain('"decoders":["permissions","prlimit","unshare"]');
      expect((await ask(machine, origin.url("/a.jpg"))).json.blurhash).toEqual(hash);
      const process = "/proc/$(systemctl show -p MainPID --value media-oracle)";
      const status = await machine.run("sh", "-c", `cat ${process}/status`);
      expect(status).not.toMatch(/^Uid:\t0/m);
      expect(status).toMatch(/^CapBnd:\t0+$/m);
      expect(await machine.run("sh", "-c", `cat ${process}/maps`)).toContain("jemalloc");
      await machine.run("systemctl", "stop", "media-oracle");
      expect(await machine.run("systemctl", "show", "-p", "Result", "media-oracle")).toBe("Result=success");
      await machine.run("systemctl", "start", "media-oracle");
      await expect.poll(() => log(machine), { timeout: 60_000, interval: 500 }).toMatch(/listening at[^]*listening at/);
      expect((await ask(machine, origin.url("/a.jpg"))).cacheStatus).toContain("hit");
    },
  );

  test("is small: what it adds to the image that it begins with", async () => {
    const sizes = { slim: await addedBytes(slim), full: await addedBytes(full) };
    for (const [name, bytes] of Object.entries(sizes)) console.log(`${name}: ${Math.round(bytes / 1e6)} MB`);
    expect(sizes.slim).toBeLessThan(150e6);
    expect(sizes.full).toBeLessThan(1000e6);
  });
});
