import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { failures } from "../../src/domain/errors.ts";
import { startOrigin } from "../support/origin.ts";
import { requires } from "../support/require.ts";
import { type Service, startService } from "../support/service.ts";

const examples = fileURLToPath(new URL("../../examples/", import.meta.url));
const photo = await sharp({ create: { width: 640, height: 480, channels: 3, background: "#4080c0" } })
  .jpeg()
  .toBuffer();
const sentence = new RegExp(`^image/jpeg, ${photo.byteLength} bytes, 640 x 480, L.{27}\n$`);

let service: Service;

beforeAll(async () => {
  service = await startService({
    ALLOW_ADDRESSES: "127.0.0.0/8",
    ALLOW_PORTS: "1-65535",
    TOKENS: "open-sesame-please",
  });
});

afterAll(async () => {
  await service.stop();
});

const has = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;

interface Result {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

async function run(command: string, example: string, url: string): Promise<Result> {
  const env = { PATH: process.env.PATH, ORACLE: service.url, TOKEN: "open-sesame-please" };
  try {
    return { ...(await promisify(execFile)(command, [examples + example, url], { env })), code: 0 };
  } catch (failed) {
    return failed as Result;
  }
}

describe.each([
  ["curl.sh", "sh", has("curl", "--version"), /^\{"url":.*"width":640/, /"code":"source_status"/],
  ["node.js", process.execPath, true, sentence, failures.source_status.title],
  ["python.py", "python3", has("python3", "--version"), sentence, failures.source_status.title],
  [
    "gateway.lua",
    "lua",
    has("lua", "-e", "require 'socket.http'"),
    /^<metadata .*<width>640<\/width>/,
    /"source_status"/,
  ],
] as const)("the example %s", (example, command, isInstalled, output, problem) => {
  test.skipIf(requires(`interpreter or library for ${example}`, isInstalled))(
    `the example ${example} prints the metadata of a URL, or the problem of a failed lookup`,
    async () => {
      const origin = await startOrigin(onTestFinished, ({ url }, response) => {
        if (url?.startsWith("/gone")) response.writeHead(404).end();
        else response.end(photo);
      });
      const good = await run(command, example, origin.url("/a.jpg?a=1&b=%20"));
      expect([good.code, good.stderr]).toEqual([0, ""]);
      expect(good.stdout).toMatch(output);
      const bad = await run(command, example, origin.url("/gone.jpg"));
      expect(bad.code).not.toBe(0);
      expect(bad.stdout + bad.stderr).toMatch(problem);
    },
  );
});
