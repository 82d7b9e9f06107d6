import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { json as readJson } from "node:stream/consumers";
import { beforeAll, describe, expect, test } from "vitest";
import { makeBombs } from "../support/bombs.ts";
import {
  addedBytes,
  buildImage,
  type Container,
  containersNeed,
  makeBaseImages,
  runContainer,
  startContainer,
} from "../support/container.ts";
import { mediaFiles } from "../support/media-files.ts";
import { startOrigin } from "../support/origin.ts";
import { send } from "../support/replicas.ts";
import { requires } from "../support/require.ts";

const needed = containersNeed();
const isLacking = requires(`${needed ?? "nothing"}, which containers need,`, needed === null);

const settings = { ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535", PER_HOST: "64" };

type Described = Readonly<Record<string, unknown>>;

async function ask(container: Container, url: string): Promise<Described> {
  const reply = await send("POST", `${container.url}/metadata`, { url });
  return (await readJson(reply)) as Described;
}

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
    const described = await ask(container, origin.url("/a.jpg"));
    expect(described).toMatchObject({ bytes: picture.byteLength, type: "image/jpeg" });
    expect(described.blurhash).toHaveLength(28);
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
    expect((await answer).blurhash).toHaveLength(28);
    expect(await exit).toEqual([0, null]);
  });

  test("without tokens it does not start where others can reach it, and says why", async () => {
    const { code, output } = await runContainer(slim);
    expect(code).toBe(78);
    expect(output).toContain("MEDIA_ORACLE_TOKENS");
  });

  test("with ffmpeg a video has a hash, without it all but that", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(video));
    for (const [image, hash] of [
      [slim, null],
      [full, expect.stringMatching(/^.{28}$/)],
    ] as const) {
      const container = await startContainer(onTestFinished, image, settings);
      const described = await ask(container, origin.url("/a.mp4"));
      expect(described).toMatchObject({ type: "video/mp4", durationMs: 2000, blurhash: hash });
    }
  });

  test("in 512 MB bombs cost themselves: nothing is killed for want of memory", async ({ onTestFinished }) => {
    const bombs = await makeBombs();
    const origin = await startOrigin(onTestFinished, ({ url }, response) => {
      response.end(bombs[Number(url!.slice(1))]?.body ?? picture);
    });
    const limits = ["--memory", "512m", "--memory-swap", "512m", "--pids-limit", "256"];
    const container = await startContainer(onTestFinished, slim, settings, limits);
    const answers = await Promise.all(bombs.map((_bomb, index) => ask(container, origin.url(`/${String(index)}`))));
    expect(answers.map(({ type }) => type)).toEqual(bombs.map(({ format }) => `image/${format}`));
    expect((await ask(container, origin.url("/picture"))).blurhash).toHaveLength(28);
    const counts = "cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events 2>/dev/null";
    const peak = "cat /sys/fs/cgroup/memory/memory.max_usage_in_bytes /sys/fs/cgroup/memory.peak 2>/dev/null";
    expect((await container.exec("sh", "-c", counts)).output).toMatch(/^oom_kill 0$/m);
    const { output } = await container.exec("sh", "-c", peak);
    console.log(`at most ${Math.round(Number(output) / 1e6)} MB of 512 MiB, file cache included`);
  });

  test("is small: what it adds to the image that it begins with", async () => {
    const sizes = { slim: await addedBytes(slim), full: await addedBytes(full) };
    for (const [name, bytes] of Object.entries(sizes)) console.log(`${name}: ${Math.round(bytes / 1e6)} MB`);
    expect(sizes.slim).toBeLessThan(150e6);
    expect(sizes.full).toBeLessThan(1000e6);
  });
});
