import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readSnapshotFile, writeSnapshotFile } from "../../../src/cache/snapshot-file.ts";
import { type Origin, startOrigin } from "../../support/origin.ts";
import { ask } from "../../support/replicas.ts";
import { type Service, startService } from "../../support/service.ts";

function makeFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-restart-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "cache");
}

async function start(file: string, settings: Record<string, string> = {}): Promise<Service> {
  const common = { ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535", DECODERS: "1" };
  const service = await startService({ ...common, CACHE_FILE: file, ...settings });
  onTestFinished(async () => {
    await service.stop();
  });
  return service;
}

const startTexts = (): Promise<Origin> =>
  startOrigin(onTestFinished, (request, response) => {
    if (request.url === "/gone") response.writeHead(404).end();
    else response.end(`the text of ${request.url}`);
  });

test("cached metadata and failures survive a restart, and other users cannot read the cache file", async () => {
  const file = makeFile();
  const origin = await startTexts();
  const before = await start(file);
  const told = await ask(before, origin.url("/a.txt"));
  expect((await ask(before, origin.url("/gone"))).status).toBe(502);
  expect(await before.stop()).toBe(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);

  const after = await start(file);
  expect(after.output()).toContain("the cache was read from its file");
  const again = await ask(after, origin.url("/a.txt"));
  expect(again.json).toEqual(told.json);
  expect(again.cacheStatus).toMatch(/; hit/);
  expect((await ask(after, origin.url("/gone"))).json).toMatchObject({ upstreamStatus: 404 });
  expect(origin.requests).toBe(2);
});

test("an unreadable line of the cache file is skipped and logged, and the other entries are loaded", async () => {
  const file = makeFile();
  const origin = await startTexts();
  const before = await start(file);
  await ask(before, origin.url("/a.txt"));
  await before.stop();
  const [line] = (await readSnapshotFile(file, 1024 ** 2))!;
  await writeSnapshotFile(file, [line!.replace('"width":null', '"width":1152921504606847000'), line!]);
  const after = await start(file);
  expect(after.output()).toMatch(/"entries":1.*\n.*"skipped":1/);
  expect((await ask(after, origin.url("/a.txt"))).cacheStatus).toMatch(/; hit/);
});

test("entries that were cached under other settings are not returned", async () => {
  const file = makeFile();
  const origin = await startTexts();
  const before = await start(file);
  await ask(before, origin.url("/a.txt"));
  await before.stop();
  const after = await start(file, { MAX_BYTES: "5" });
  expect((await ask(after, origin.url("/a.txt"))).json).toMatchObject({ warnings: ["body_too_large"] });
});

test.each([
  ["damaged", "media-oracle cache 1.1\n{}\nend 1 00\n"],
  ["of another program", "SQLite format 3\0"],
])("a cache file that is %s is logged, and the service starts with an empty cache", async (_, text) => {
  const file = makeFile();
  writeFileSync(file, text);
  const origin = await startTexts();
  const service = await start(file);
  expect(service.output()).toContain("the cache file cannot be used");
  expect((await ask(service, origin.url("/a.txt"))).status).toBe(200);
  expect(await service.stop()).toBe(0);
  expect((await start(file)).output()).toContain('"entries":1');
});

test("the service works without a saved cache if the folder of the cache file disappears while it runs", async () => {
  const folder = join(makeFile(), "..", "mounted");
  mkdirSync(folder);
  const service = await start(join(folder, "cache"));
  rmSync(folder, { recursive: true });
  const origin = await startTexts();
  expect((await ask(service, origin.url("/a.txt"))).status).toBe(200);
  expect(await service.stop()).toBe(0);
  expect(service.output()).toContain("the cache could not be saved");
});

test("a request that never ends does not prevent the save of the cache at shutdown", async () => {
  const file = makeFile();
  const origin = await startOrigin(onTestFinished, (request, response) => {
    if (request.url !== "/never") response.end("text");
  });
  const service = await start(file, { SHUTDOWN_MS: "1000" });
  await ask(service, origin.url("/a.txt"));
  const pending = ask(service, origin.url("/never")).catch(() => null);
  while (origin.requests < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  await service.stop();
  await pending;
  expect((await start(file)).output()).toContain('"entries":1');
});

test("a service that is repeatedly killed during shutdown leaves a readable cache file", async () => {
  const file = makeFile();
  const origin = await startTexts();
  for (let time = 0; time < 3; time += 1) {
    const service = await start(file);
    expect(service.output()).not.toContain("cannot be used");
    await Promise.all(Array.from({ length: 50 }, (_, n) => ask(service, origin.url(`/${time}/${n}`))));
    const ended = once(service.process, "exit");
    service.process.kill("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
    service.process.kill("SIGKILL");
    await ended;
  }
  expect((await start(file)).output()).toContain("the cache was read from its file");
});
