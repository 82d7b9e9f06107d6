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

const missing = containersNeed();
const isLacking = requires(`${missing ?? "nothing"}, which containers need,`, missing === null);

const settings = { ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535", PER_HOST: "64" };

/** For tests that build a further image. */
const buildTimeout = { timeout: 1_800_000 };

const log = (machine: Machine) => machine.run("journalctl", "--no-pager", "-u", "media-oracle");

/** A BlurHash of 4 x 3 components has 28 characters. */
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

  test("the container describes a picture as user 1000, on a read-only root file system, without capabilities", async ({
    onTestFinished,
  }) => {
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

  test("the container has no package manager of Node", async ({ onTestFinished }) => {
    const container = await startContainer(onTestFinished, slim, settings);
    const found =
      "for program in node npm npx corepack yarn; do command -v $program; done; ls /usr/local/lib/node_modules";
    const { output } = await container.exec("sh", "-c", found);
    expect(output).toMatch(/^\/usr\/local\/bin\/node\n.*No such file or directory\s*$/);
  });

  test("the service and each decoder worker in the container use jemalloc", async ({ onTestFinished }) => {
    const container = await startContainer(onTestFinished, slim, settings);
    const countMappings =
      'for p in /proc/[0-9]*; do case $(readlink $p/exe) in */node) grep -c "r-xp.*jemalloc" $p/maps; esac; done';
    const { output } = await container.exec("sh", "-c", countMappings);
    const counts = output.trim().split("\n");
    expect(counts.length).toBeGreaterThan(1);
    expect(new Set(counts)).toEqual(new Set(["1"]));
  });

  test("the command `health` exits with 0 if the service responds, and with 1 if not", async ({ onTestFinished }) => {
    const container = await startContainer(onTestFinished, slim, settings);
    expect(await container.exec("node", "dist/main.js", "health")).toMatchObject({ code: 0 });
    expect(await container.exec("env", "MEDIA_ORACLE_PORT=1", "node", "dist/main.js", "health")).toMatchObject({
      code: 1,
    });
  });

  test("after SIGTERM the container answers the requests in flight and exits with 0", async ({ onTestFinished }) => {
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

  test("the container refuses to listen on a public interface without tokens, and names the missing setting", async () => {
    const { code, output } = await runContainer(slim);
    expect(code).toBe(78);
    expect(output).toContain("MEDIA_ORACLE_TOKENS");
  });

  test("a video has a hash in the full image, and everything but a hash in the slim image", async ({
    onTestFinished,
  }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(video));
    const describeWith = async (image: string) => {
      const container = await startContainer(onTestFinished, image, settings);
      return (await ask(container, origin.url("/a.mp4"))).json;
    };
    expect(await describeWith(slim)).toMatchObject({ type: "video/mp4", durationMs: 2000, blurhash: null });
    expect(await describeWith(full)).toMatchObject({ type: "video/mp4", durationMs: 2000, blurhash: hash });
  });

  test("the cache file on a volume survives the container", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(picture));
    const mount = ["--volume", `${await makeVolume(onTestFinished)}:/var/lib/media-oracle`];
    const withCacheFile = { ...settings, CACHE_FILE: "/var/lib/media-oracle/cache" };
    const first = await startContainer(onTestFinished, slim, withCacheFile, mount);
    await ask(first, origin.url("/a.jpg"));
    expect(await first.stop()).toBe(0);
    const second = await startContainer(onTestFinished, slim, withCacheFile, mount);
    expect((await ask(second, origin.url("/a.jpg"))).cacheStatus).toContain("hit");
    expect(origin.requests).toBe(1);
  });

  describe("in a container with a memory limit of 384 MB", () => {
    const limits = ["--memory", "384m", "--memory-swap", "384m", "--pids-limit", "256"];
    const small = { ...settings, FETCH_BYTES: String(96 * 2 ** 20) };

    /** Checks that the kernel's OOM killer killed no process; supports both versions of control groups. */
    async function expectNoOomKill(container: Container): Promise<void> {
      const cat = (...files: readonly string[]) =>
        container.exec("sh", "-c", `cd /sys/fs/cgroup; cat ${files.join(" ")} 2>/dev/null`);
      const { output: peak } = await cat("memory/memory.max_usage_in_bytes", "memory.peak");
      console.log(`at most ${Math.round(Number(peak) / 2 ** 20)} MiB of 384, file cache included`);
      expect((await cat("memory/memory.oom_control", "memory.events")).output).toMatch(/^oom_kill 0$/m);
    }

    test("in 384 MB, pixel bombs affect no other picture and cause no OOM kill", async ({ onTestFinished }) => {
      const bombs = await makeBombs();
      const origin = await startOrigin(onTestFinished, ({ url }, response) => {
        response.end(bombs[Number(url!.slice(1))]?.body ?? picture);
      });
      const container = await startContainer(onTestFinished, slim, small, limits);
      const answers = await Promise.all(bombs.map((_bomb, index) => ask(container, origin.url(`/${String(index)}`))));
      expect(answers.map(({ json }) => json.type)).toEqual(bombs.map(({ format }) => `image/${format}`));
      expect((await ask(container, origin.url("/picture"))).json.blurhash).toEqual(hash);
      await expectNoOomKill(container);
    });

    test("in 384 MB, 64 endless bodies stay within the byte budget and cause no OOM kill", async ({
      onTestFinished,
    }) => {
      // As many bodies as are read concurrently, each larger than the budget for all bodies.
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
      await expectNoOomKill(container);
    });
  });

  test(
    "the Prosody image of compose.yaml adds the metadata of this image to messages",
    buildTimeout,
    async ({ onTestFinished }) => {
      const origin = await startOrigin(onTestFinished, (_request, response) => response.end(picture));
      const oracle = await startContainer(onTestFinished, slim, settings);
      const prosody = await startProsodyContainer(onTestFinished, oracle, ["alice"]);
      const alice = await connect(onTestFinished, prosody, "alice");
      await alice.enter("lounge@rooms.localhost", "alice");
      await alice.say("lounge@rooms.localhost", "m1", origin.url("/a.jpg"));
      const added = metadataOf(await alice.hear("m1"));
      expect(added).toEqual([expect.objectContaining({ bytes: String(picture.byteLength), type: "image/jpeg" })]);
    },
  );

  test(
    "systemd runs the unit with its whole sandbox, and the cache survives a restart of the service",
    buildTimeout,
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

  test("the slim image adds less than 150 MB to its base image, and the full image less than 1000 MB", async () => {
    const sizes = { slim: await addedBytes(slim), full: await addedBytes(full) };
    for (const [name, bytes] of Object.entries(sizes)) console.log(`${name}: ${Math.round(bytes / 1e6)} MB`);
    expect(sizes.slim).toBeLessThan(150e6);
    expect(sizes.full).toBeLessThan(1000e6);
  });
});
