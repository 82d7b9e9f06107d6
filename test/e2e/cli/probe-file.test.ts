import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { startOrigin } from "../../support/origin.ts";
import { runProgram } from "../../support/service.ts";

const example = fileURLToPath(new URL("../../../page/example.jpg", import.meta.url));
const recorded = (await import("../../../page/example.json", { with: { type: "json" } })).default.metadata;

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "media-oracle-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

const linesOf = (stdout: string): unknown[] =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);

test("probe describes a file, the standard input and a URL alike, and a file without any connection", async () => {
  const picture = await buffer(createReadStream(example));
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end(picture));
  let connections = 0;
  const redis = createServer((socket) => void ((connections += 1), socket.destroy())).listen(0, "127.0.0.1");
  await once(redis, "listening");
  onTestFinished(() => void redis.close());
  const settings = {
    ALLOW_ADDRESSES: "127.0.0.0/8",
    ALLOW_PORTS: "1-65535",
    REDIS_URL: `redis://127.0.0.1:${(redis.address() as AddressInfo).port}`,
  };
  const names = [example, "-", origin.url("/summit.jpg")];
  const { code, stdout, stderr } = await runProgram(["probe", "--json", ...names], settings, { input: picture });
  expect([code, stderr]).toEqual([0, ""]);
  expect(linesOf(stdout)).toEqual([
    { ...recorded, url: pathToFileURL(example).href, filename: "example.jpg" },
    { ...recorded, url: "file:///dev/stdin", filename: "stdin" },
    { ...recorded, url: names[2], filename: "summit.jpg" },
  ]);
  expect(connections).toBe(0);
});

test("probe prints a file for people, or as the element of a stanza", async () => {
  const { stdout } = await runProgram(["probe", example]);
  expect(stdout.split("\n")[0]).toBe(pathToFileURL(example).href);
  expect(stdout).toMatch(/^ {2}pixels {6}1600 x 1000$/m);
  expect(stdout).not.toMatch(/^ {2}cache/m);
  const element = await runProgram(["probe", "--xml", example]);
  expect(element.stdout).toContain(`<url>${pathToFileURL(example).href}</url>`);
  expect(element.stdout).toContain(`<blurhash>${recorded.blurhash}</blurhash>`);
});

test("probe names the fault of a file, goes on with the next one, and exits with 1", async () => {
  const folder = await makeFolder();
  const at = (name: string) => join(folder, name);
  spawnSync("mkfifo", [at("pipe")]); // without a writer: opened for reading, it would wait forever
  await mkdir(at("folder"));
  await symlink(at("loop"), at("loop"));
  await writeFile(at("sparse"), "");
  await truncate(at("sparse"), 10 * 1024 ** 3);
  const faults = {
    [at("pipe")]: "is a pipe: read it as the standard input, with probe - < FILE",
    [at("folder")]: "is a folder, not a file",
    [at("loop")]: "cannot be read: too many symbolic links",
    [at("none")]: "does not exist",
    "/dev/zero": "is not a regular file",
    "example.org/a.png": "does not exist (a URL begins with its scheme: https://example.org/a.png)",
    "file://example.org/a.png": "names no file of this machine: such a URL has no host, like file:///folder/name",
  };
  const names = [...Object.keys(faults), at("sparse")];
  const asJson = await runProgram(["probe", "--json", ...names]);
  expect([asJson.code, asJson.stderr]).toEqual([1, ""]);
  const problems = Object.entries(faults).map(([name, fault]) => ({
    type: "urn:media-oracle:problem:file_unreadable",
    title: "The file cannot be read",
    code: "file_unreadable",
    detail: `${name} ${fault}`,
    retryable: false,
  }));
  expect(linesOf(asJson.stdout)).toEqual([
    ...problems,
    expect.objectContaining({ bytes: 10 * 1024 ** 3, bytesSource: "declared", sha256: null }),
  ]);

  const forPeople = await runProgram(["probe", ...Object.keys(faults)]);
  expect([forPeople.code, forPeople.stdout]).toEqual([1, ""]);
  expect(forPeople.stderr.trim().split("\n")).toEqual(
    Object.entries(faults).map(([name, fault]) => `media-oracle: ${name} ${fault}`),
  );
});

test("probe refuses a file together with --server, and the standard input twice, with exit code 2", async () => {
  for (const args of [
    ["--server", "http://127.0.0.1:9", example],
    ["-", "-"],
  ]) {
    const { code, stdout, stderr } = await runProgram(["probe", ...args]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^media-oracle: .*(--server|standard input)/);
  }
});
