import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startProcess } from "../../../src/media/decode/worker-process.ts";
import { type Sandbox, detectSandbox } from "../../../src/media/decode/sandbox.ts";
import { corpusBytes, corpusRows, corpus } from "../../support/corpus.ts";
import { sniff } from "../../../src/media/formats/sniff.ts";
import {
  builtEntry,
  folderBeside,
  formatNamed,
  residentBytes,
  standIn,
  startDecoder,
  takesOne,
} from "../../support/decoder.ts";
import { requires } from "../../support/require.ts";

const mebibyte = 1024 ** 2;
const walls: Sandbox = await detectSandbox(512 * mebibyte);
const missing = ["prlimit", "unshare"].filter((name) => !walls.names.includes(name));

const listener = createServer((socket) => socket.end());
beforeAll(() => new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve)));
afterAll(() => void listener.close());

type OnFinished = (end: () => Promise<void> | void) => void;

/** The abilities of a worker's JavaScript in this sandbox: `done`, or the code of the error. */
async function tryAll(onFinished: OnFinished, wrapper: readonly string[]): Promise<Record<string, unknown>> {
  const folder = folderBeside(onFinished);
  const entry = standIn(
    onFinished,
    `import { execFileSync } from "node:child_process";
     import { createSocket } from "node:dgram";
     import { readFileSync, writeFileSync } from "node:fs";
     import { connect } from "node:net";
     import { Worker } from "node:worker_threads";
     import sharp from "sharp";
     ${takesOne}
     const tried = async (does) => { try { await does(); return "done"; } catch (error) { return error.code ?? error.message; } };
     const connected = () => new Promise((resolve, reject) => connect(${(listener.address() as AddressInfo).port}, "127.0.0.1", resolve).on("error", reject));
     const sent = () => new Promise((resolve, reject) => createSocket("udp4").send("x", 53, "192.0.2.1", (error) => error ? reject(error) : resolve()));
     const image = () => sharp({ create: { width: 9, height: 9, channels: 3, background: "red" } });
     writeSync(3, JSON.stringify({
       read: await tried(() => readFileSync("/etc/passwd")),
       service: await tried(() => readFileSync(${JSON.stringify(fileURLToPath(new URL("../../main.js", builtEntry)))})),
       write: await tried(() => writeFileSync(${JSON.stringify(join(folder, "a"))}, "x")),
       program: await tried(() => execFileSync("/bin/true")),
       worker: await tried(() => new Worker("1", { eval: true })),
       environment: Object.keys(process.env).join(),
       connect: await tried(connected),
       datagram: await tried(sent),
       signalToParent: await tried(() => process.kill(process.ppid, 0)),
       nativeRead: await tried(() => sharp(${JSON.stringify(join(folder, "red.png"))}).stats()),
       nativeWrite: await tried(() => image().png().toFile(${JSON.stringify(join(folder, "b.png"))})) === "done" ? "done" : "failed",
     }) + "\\n");
     setInterval(() => {}, 1000);`,
  );
  await sharp({ create: { width: 9, height: 9, channels: 3, background: "red" } })
    .png()
    .toFile(join(folder, "red.png"));
  const child = startProcess({
    entry,
    settings: { formats: [], clips: false },
    environment: { LD_PRELOAD_NOT: "1" },
    wrapper,
  });
  onFinished(() => child.kill());
  await child.ready;
  const allowed = { bytes: 0, milliseconds: 0 };
  const request = { number: 1, operation: "measure", format: formatNamed("svg"), bytes: 0, allowed } as const;
  const { answer } = await child.ask(request, Buffer.alloc(0));
  return JSON.parse((await answer).line) as Record<string, unknown>;
}

const denied = "ERR_ACCESS_DENIED";
// Node's permission model alone, on Node 20 as on 24. `native…`: the abilities of an exploit of libvips.
const byPermissions = {
  read: denied,
  service: denied,
  write: denied,
  program: denied,
  worker: denied,
  environment: "MALLOC_ARENA_MAX,LD_PRELOAD_NOT,VIPSHOME", // libvips sets the last one
  connect: "done",
  datagram: "done",
  signalToParent: "done",
  nativeRead: "done",
  nativeWrite: "done",
};

describe(`a process of a decoder, on Node ${process.versions.node}`, () => {
  test("the JavaScript of a worker reads only its own code, writes nothing and sees no settings", async ({
    onTestFinished,
  }) => {
    process.env.MEDIA_ORACLE_TOKENS = "secret";
    onTestFinished(() => void delete process.env.MEDIA_ORACLE_TOKENS);
    expect(await tryAll(onTestFinished, [])).toEqual(byPermissions);
  });

  test.skipIf(missing.length > 0)(
    `a worker in the sandbox of prlimit and unshare has no network, and its native code writes nothing${missing.length > 0 ? ` (missing: ${missing.join()})` : ""}`,
    async ({ onTestFinished }) => {
      expect(await tryAll(onTestFinished, walls.command)).toEqual({
        ...byPermissions,
        connect: "ENETUNREACH",
        datagram: "ENETUNREACH",
        nativeWrite: "failed",
      });
    },
  );

  test("a worker has the pid of the spawned sandbox program, and ends with a kill", async ({ onTestFinished }) => {
    const child = startProcess({
      entry: builtEntry,
      settings: { formats: ["png"], clips: false },
      environment: {},
      wrapper: walls.command,
    });
    onTestFinished(() => child.kill());
    await child.ready;
    expect(readFileSync(`/proc/${child.pid}/cmdline`, "utf8").split("\0")[0]).toBe(process.execPath);
    expect(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8")).toBe("");
    child.kill();
    await child.ended;
    await vi.waitFor(() => expect(residentBytes(child.pid!)).toBe(0), 60_000);
  });

  test.skipIf(!walls.names.includes("prlimit"))(
    "prlimit stops a decompression bomb that the estimates missed",
    async ({ onTestFinished }) => {
      const narrow = await detectSandbox(16 * mebibyte);
      const child = startProcess({
        entry: builtEntry,
        settings: { formats: ["avif"], clips: false },
        environment: {},
        wrapper: narrow.command,
      });
      onTestFinished(() => child.kill());
      await child.ready;
      const body = await sharp({ create: { width: 4000, height: 3000, channels: 3, background: "red" } })
        .avif({ effort: 0 })
        .toBuffer();
      const allowed = { bytes: Infinity, milliseconds: Infinity }; // 200 MB
      const request = {
        number: 1,
        operation: "describe",
        format: formatNamed("avif"),
        bytes: body.byteLength,
        allowed,
      } as const;
      const outcome = child.ask(request, body).then(({ answer }) => answer);
      const end = await outcome.then(
        ({ line }) => (JSON.parse(line) as { warning: unknown }).warning,
        () => "ended",
      );
      expect(["decode_failed", "ended"]).toContain(end);
    },
  );
});

describe("the sandbox", () => {
  test("the decoder reports the active layers of the sandbox", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    expect(decoder.walls).toEqual(walls.names);
    expect(decoder.walls[0]).toBe("permissions");
  });

  // Like a container: no namespaces inside (user_namespaces(7)).
  const forbidUnshare = "echo 0 > /proc/sys/user/max_user_namespaces";
  const breakPrlimit = 'mount --bind /bin/false "$(command -v prlimit)"';

  test.skipIf(missing.length > 0).for([
    ["unshare", forbidUnshare, "permissions,prlimit"],
    ["prlimit", breakPrlimit, "permissions,unshare"],
    ["prlimit and unshare", `${breakPrlimit} && ${forbidUnshare}`, "permissions"],
  ] as const)("the sandbox has no layer that does not work here: %s", ([, prepare, expected], { onTestFinished }) => {
    const script = `
      import { detectSandbox } from ${JSON.stringify(new URL("../../../src/media/decode/sandbox.ts", import.meta.url).href)};
      console.log((await detectSandbox(1e8)).names.join());`;
    const entry = standIn(onTestFinished, script);
    const command = `${prepare} && exec "$0" --import tsx "$1"`;
    const run = spawnSync("unshare", ["-rm", "sh", "-c", command, process.execPath, fileURLToPath(entry)]);
    expect([run.stdout.toString().trim(), run.stderr.toString()]).toEqual([expected, ""]);
  });

  test.skipIf(requires(corpus.name, corpus.isPresent))(
    "the sandbox breaks no healthy picture",
    async ({ onTestFinished }) => {
      const decoder = await startDecoder(onTestFinished);
      const largest = corpusRows()
        .filter(({ kind }) => kind === "image")
        .filter((row) => ["jpeg", "png", "webp", "gif", "avif"].includes(sniff(corpusBytes(row))?.name ?? ""))
        .sort((a, b) => b.displayWidth! * b.displayHeight! - a.displayWidth! * a.displayHeight!)
        .slice(0, 10);
      for (const row of largest) {
        const picture = await decoder.describe(corpusBytes(row), sniff(corpusBytes(row))!);
        expect(picture, row.file).toMatchObject({ width: row.displayWidth, warning: null });
      }
      expect(existsSync("core")).toBe(false);
    },
  );
});
