import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { describe, expect, test, vi } from "vitest";
import type { DecodeTimeoutCause } from "../../../src/domain/decode-timeout.ts";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { zeroPng } from "../../support/bombs.ts";
import {
  allIdle,
  builtEntry,
  copyWorker,
  folderBeside,
  decodingPid,
  formatNamed,
  residentBytes,
  standIn,
  startDecoder,
  takesOne,
} from "../../support/decoder.ts";
import { requestBytes } from "../../../src/media/protocol.ts";
import { noise } from "../../support/images.ts";

const [jpeg, png] = [formatNamed("jpeg"), formatNamed("png")];
const picture = () => sharp(noise(64, 64, 1), { raw: { width: 64, height: 64, channels: 4 } });
const photo = await picture().jpeg().toBuffer();
const large = zeroPng(6000, { colour: 2, depth: 8, isInterlaced: true }); // 0.7 s, 195 MB
const slow = Buffer.concat([await picture().png().toBuffer(), Buffer.alloc(6 * 1024 ** 2)]); // too large for the quick lane
const timedOut = (cause: DecodeTimeoutCause) => ({ warning: "decode_timeout", decodeTimeoutCause: cause });
const good = { width: 64, height: 64, animated: false, warning: null, decodeTimeoutCause: null };

const busyPid = (decoder: Decoder) => decoder.children.find(({ state }) => state === "busy")!.pid;

function isAlive(pid: number): boolean {
  try {
    // A zombie process (ended, not reaped yet) still accepts signals.
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

describe("a decoder", () => {
  test("the decoder describes a picture and reports the time it took", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    const described = await decoder.describe(photo, jpeg);
    expect(described).toMatchObject(good);
    expect(described.blurhash).toHaveLength(28);
    expect(described.decodeMs).toBeGreaterThan(0);
    expect(described.hashMs).toBeGreaterThan(0);
  });

  test("the expected time of a picture is the mean time of a quick one, divided by the workers", async ({
    onTestFinished,
  }) => {
    const decoder = await startDecoder(onTestFinished, { processes: 4 });
    await allIdle(decoder);
    expect(decoder.expectedMs).toBe(0);
    const began = performance.now();
    const { decodeMs, hashMs } = await decoder.describe(photo, jpeg);
    const elapsedMs = performance.now() - began;
    const meanMs = 4 * decoder.expectedMs; // a tenth of the first sample
    expect(10 * meanMs).toBeGreaterThanOrEqual(decodeMs + hashMs);
    expect(10 * meanMs).toBeLessThanOrEqual(elapsedMs);
  });

  test("the decoder runs many pictures concurrently, at most one for each worker", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    const all = Array.from({ length: 40 }, () => decoder.describe(photo, jpeg));
    expect(decoder.busy).toBeLessThanOrEqual(2);
    expect(decoder.busy + decoder.waiting).toBe(40);
    const described = await Promise.all(all);
    expect(new Set(described.map(({ blurhash }) => blurhash)).size).toBe(1);
    expect({ busy: decoder.busy, waiting: decoder.waiting, restarts: decoder.restarts }).toEqual({
      busy: 0,
      waiting: 0,
      restarts: 0,
    });
  });

  test("the decoder returns nulls at once for a format that is disabled or has no pixels", async ({
    onTestFinished,
  }) => {
    const decoder = await startDecoder(onTestFinished, { formats: ["jpeg"] });
    const nothing = { width: null, height: null, blurhash: null, warning: null };
    expect(await decoder.describe(photo, png)).toMatchObject(nothing);
    expect(await decoder.describe(photo, formatNamed("zip"))).toMatchObject(nothing);
  });

  test("a blocked loader does not read a file that is declared as an enabled format", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished, { formats: ["jpeg", "png"] });
    const drawing = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    for (const body of [drawing, await picture().webp().toBuffer(), Buffer.from("P5\n1 1\n255\n\0")]) {
      expect(await decoder.describe(body, jpeg)).toMatchObject({ width: null, warning: "decode_failed" });
    }
    expect(await decoder.describe(photo, jpeg)).toMatchObject(good);
  });

  test("a picture beyond the work budget (a pixel bomb) is measured, but not decoded", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished, { decodeBytes: 400_000 });
    const side = { width: 200, height: 200 };
    const large = sharp(noise(200, 200, 1), { raw: { ...side, channels: 4 } });
    const photo = await large.clone().jpeg({ progressive: true }).toBuffer();
    expect(await decoder.describe(photo, jpeg)).toMatchObject({ ...side, warning: null });
    const interlaced = await large.clone().png({ progressive: true }).toBuffer();
    expect(await decoder.describe(interlaced, png)).toMatchObject({
      ...side,
      blurhash: null,
      warning: "too_many_pixels",
    });
    expect(await decoder.describe(await large.png().toBuffer(), png)).toMatchObject({ ...side, warning: null });
  });

  test("the decoder returns decode_failed for an empty body", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    expect(await decoder.describe(Buffer.alloc(0), jpeg)).toMatchObject({ warning: "decode_failed" });
  });
});

describe("a process", () => {
  test("a worker that is killed during a decode costs only its own picture", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    const lost = decoder.describe(large, png);
    process.kill(await decodingPid(decoder), "SIGKILL");
    const beside = decoder.describe(photo, jpeg);
    expect(await lost).toMatchObject({ width: 6000, blurhash: null, warning: "decode_failed" });
    expect(await beside).toMatchObject(good);
    await vi.waitFor(() => expect(decoder.restarts).toBe(1), 60_000);
  });

  test("a worker that is killed before it accepts its picture costs no picture", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    await allIdle(decoder);
    const pids = decoder.children.map(({ pid }) => pid);
    for (const pid of pids) process.kill(pid, "SIGSTOP"); // else it might be faster than the signal below
    const asked = decoder.describe(Buffer.concat([photo, Buffer.alloc(4e6)]), jpeg); // the write is half done
    process.kill(busyPid(decoder), "SIGKILL");
    for (const pid of pids) process.kill(pid, "SIGCONT");
    expect(await asked).toMatchObject(good);
  });

  test("a worker that hangs is killed at the time limit, and does not delay other pictures", async ({
    onTestFinished,
  }) => {
    // A multiple of what it takes on this machine: beside other load the slow lane, with its low priority, takes a minute.
    const began = performance.now();
    await (await startDecoder(onTestFinished, { processes: 1 })).describe(large, png);
    const decodeTimeoutMs = Math.ceil(4000 + 2 * (performance.now() - began));
    const decoder = await startDecoder(onTestFinished, { processes: 1, decodeTimeoutMs });
    const hung = decoder.describe(large, png);
    const pid = await decodingPid(decoder);
    process.kill(pid, "SIGSTOP");
    expect(await decoder.describe(photo, jpeg)).toMatchObject(good);
    await after(0.7 * decodeTimeoutMs); // else the time limit of the next one in the queue would expire first
    const behind = decoder.describe(slow, png); // waits for the only slow worker, and runs after its replacement
    const timeout = { width: 6000, blurhash: null, decodeMs: decodeTimeoutMs, ...timedOut("time_limit") };
    expect(await hung).toMatchObject(timeout);
    expect(await behind).toMatchObject(good);
    expect(isAlive(pid)).toBe(false);
  });

  test("a worker that does not accept a picture is replaced, and another worker takes the picture", async ({
    onTestFinished,
  }) => {
    const decoder = await startDecoder(onTestFinished);
    await allIdle(decoder);
    const stopped = decoder.children.map(({ pid }) => pid).slice(0, 2);
    for (const pid of stopped) process.kill(pid, "SIGSTOP");
    for (let round = 0; round < 3; round += 1) expect(await decoder.describe(photo, jpeg)).toMatchObject(good);
    await vi.waitFor(() => expect(stopped.filter(isAlive)).toEqual([]), 60_000);
  });

  test("an idle worker is checked every 5 s, so that a hung one is replaced before a picture comes", async ({
    onTestFinished,
  }) => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const decoder = await startDecoder(onTestFinished, { processes: 1 });
    await allIdle(decoder);
    vi.advanceTimersByTime(4999);
    expect(decoder.busy).toBe(0);
    vi.advanceTimersByTime(1);
    expect(decoder).toMatchObject({ busy: 1, waiting: 0 });
    await allIdle(decoder);
    expect(decoder).toMatchObject({ restarts: 0, children: [{ state: "idle" }] });
    process.kill(decoder.children[0]!.pid, "SIGSTOP");
    vi.advanceTimersByTime(5000);
    while (decoder.restarts === 0) await after(20);
    expect(await decoder.describe(photo, jpeg)).toMatchObject(good);
    await decoder.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a worker ignores the signals that a terminal or an init system sends to the process group", async ({
    onTestFinished,
  }) => {
    const decoder = await startDecoder(onTestFinished);
    await allIdle(decoder);
    for (const { pid } of decoder.children) for (const signal of ["SIGINT", "SIGTERM"]) process.kill(pid, signal);
    expect(await decoder.describe(photo, jpeg)).toMatchObject(good);
    expect(decoder.restarts).toBe(0);
  });

  test("a worker ends when its parent ends, also by SIGKILL", async ({ onTestFinished }) => {
    const entry = standIn(
      onTestFinished,
      `import { createDecoder } from ${JSON.stringify(new URL("../../../src/media/decode/decoder.ts", import.meta.url).href)};
       const entry = new URL(${JSON.stringify(builtEntry.href)});
       const decoder = createDecoder({ entry, processes: 1, idleMs: 1e4, decodeTimeoutMs: 1e4, decodeBytes: 1e8, maxWaiting: 1, formats: ["jpeg"], ffmpeg: null, onFailedStart() {} });
       await decoder.start();
       console.log(JSON.stringify(decoder.children.map(({ pid }) => pid)));`,
    );
    const parent = spawn(process.execPath, ["--import", "tsx", fileURLToPath(entry)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const pids = await new Promise<number[]>((resolve) => {
      parent.stdout.once("data", (line: Buffer) => resolve(JSON.parse(line.toString()) as number[]));
    });
    expect(pids.filter(isAlive)).toHaveLength(1);
    parent.kill("SIGKILL");
    await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), 60_000);
  });

  const takenOver = {
    "writes what is no JSON": 'writeSync(3, "hello\\n")',
    "writes without end": 'for (;;) writeSync(3, "x".repeat(65536))',
    "answers another question": 'writeSync(3, JSON.stringify({ number: 99 }) + "\\n")',
    ends: "process.exit(0)",
    crashes: "process.abort()",
    "speaks Node's own protocol": 'writeSync(3, JSON.stringify({ cmd: "NODE_HANDLE", type: "net.Native" }) + "\\n")',
  };

  /** A fake worker that answers each request with the fields of the next of these objects, then always the last. */
  const answering = (...answers: readonly object[]) => `
    const read = (bytes) => { const buffer = Buffer.alloc(bytes); for (let at = 0; at < bytes;) at += readSync(3, buffer, at, bytes - at, null); return buffer; };
    const learnt = { width: 5, height: 5, animated: false, blurhash: null, thumbhash: null, thumbnail: null, durationMs: null, warning: null, clipBytes: 0,
                     container: "mov", rotation: 0, expectedBytes: 1, expectedMs: 1, decodeMs: 1, hashMs: 1, rssBytes: 1 };
    const answers = ${JSON.stringify(answers)};
    writeSync(3, '{"libvips":"8"}\\n');
    for (;;) {
      const header = read(${requestBytes});
      const number = header.readDoubleLE(0);
      writeSync(3, JSON.stringify({ taken: number }) + "\\n");
      const isPicture = read(header.readDoubleLE(24)).length > 0;
      const answer = (isPicture && (answers.length > 1 ? answers.shift() : answers[0])) || {};
      writeSync(3, JSON.stringify({ ...learnt, ...answer, number }) + "\\n");
      writeSync(3, Buffer.alloc(answer.clipBytes ?? 0));
    }`;
  const [markup, huge, withClip] = [{ blurhash: "<script>" }, { width: 2 ** 60 }, { height: 0, clipBytes: 7 }];

  test("an invalid answer of a worker costs only its picture, and three in a row replace the worker", async ({
    onTestFinished,
  }) => {
    const entry = standIn(onTestFinished, answering(markup, huge, {}, withClip, huge, markup, {}));
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1 });
    await allIdle(decoder);
    const pids = decoder.children.map(({ pid }) => pid);
    const failed = { width: 64, height: 64, blurhash: null, warning: "decode_failed" };
    const outcomes = [];
    for (let count = 0; count < 5; count += 1) outcomes.push(await decoder.describe(photo, jpeg));
    expect(outcomes).toMatchObject([failed, failed, { width: 5, warning: null }, failed, failed]);
    expect(decoder).toMatchObject({ restarts: 0, busy: 0, waiting: 0 });
    expect(decoder.children.map(({ pid }) => pid).sort()).toEqual(pids.sort());
    expect(await decoder.describe(photo, jpeg)).toMatchObject(failed);
    await vi.waitFor(() => expect(decoder.restarts).toBe(1), 60_000);
    await allIdle(decoder);
    expect(decoder.children).toHaveLength(1);
  });

  test.each(Object.entries(takenOver))("a worker that %s is replaced, and its picture fails", async (_, does) => {
    const ends: (() => Promise<void> | void)[] = [];
    const entry = standIn((end) => ends.push(end), `${takesOne} ${does}; setInterval(() => {}, 1000);`);
    const decoder = await startDecoder((end) => ends.unshift(end), { entry });
    expect(await decoder.describe(photo, jpeg)).toMatchObject({ width: 64, blurhash: null, warning: "decode_failed" });
    await vi.waitFor(() => expect(decoder.restarts).toBe(1), 60_000);
    for (const end of ends) await end();
  });
});

describe("slow pictures", () => {
  test("any number of pictures in the slow lane does not delay the quick lane", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished, { maxWaiting: 10 });
    await allIdle(decoder);
    const slow = Array.from({ length: 10 }, () => decoder.describe(large, png));
    await decodingPid(decoder);
    for (let round = 0; round < 50; round += 1) {
      expect(await decoder.describe(photo, jpeg)).toMatchObject(good);
    }
    expect(decoder.waiting).toBeGreaterThan(0);
    await decoder.close();
    await Promise.all(slow);
  });

  test("slow pictures are decoded one after another, all of them, within the memory budget", async ({
    onTestFinished,
  }) => {
    const decodeBytes = 512 * 1024 ** 2;
    const decoder = await startDecoder(onTestFinished, { decodeBytes });
    await allIdle(decoder);
    const resident = () => decoder.children.reduce((sum, { pid }) => sum + residentBytes(pid), 0);
    const before = resident();
    const peaks: number[] = [];
    const watch = setInterval(() => peaks.push(resident() - before), 10);
    let slowOnes = 3;
    const slow = Array.from({ length: slowOnes }, () => decoder.describe(large, png).finally(() => (slowOnes -= 1)));
    while (slowOnes > 0) expect(await decoder.describe(photo, jpeg)).toMatchObject(good);
    clearInterval(watch);
    expect(await Promise.all(slow)).toMatchObject(Array(3).fill({ width: 6000, warning: null }));
    expect(Math.max(...peaks)).toBeGreaterThan(100e6);
    expect(Math.max(...peaks)).toBeLessThan(decodeBytes);
  });

  test("the worker of the slow lane has a lower priority (nice)", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    await allIdle(decoder);
    expect(decoder.children.filter(({ pid }) => getPriority(pid) > getPriority())).toEqual([]);
    const slow = decoder.describe(large, png);
    expect(getPriority(await decodingPid(decoder)) - getPriority()).toBeGreaterThan(0);
    expect(await slow).toMatchObject({ warning: null });
  });

  test("an overdue quick picture continues in the slow lane if that is free, else restarts in its queue", async ({
    onTestFinished,
  }) => {
    const entry = standIn(
      onTestFinished,
      `writeSync(3, '{"libvips":"8"}\\n');
       const read = (bytes) => { const buffer = Buffer.alloc(bytes); for (let at = 0; at < bytes;) at += readSync(3, buffer, at, bytes - at, null); return buffer; };
       const learnt = { width: 5, height: 5, animated: false, blurhash: null, thumbhash: null, thumbnail: null, durationMs: null, warning: null,
                        clipBytes: 0, container: "mov", rotation: 0 };
       for (;;) {
         const header = read(${requestBytes});
         const number = header.readDoubleLE(0);
         writeSync(3, JSON.stringify({ taken: number }) + "\\n");
         read(header.readDoubleLE(24));
         Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 900);
         writeSync(3, JSON.stringify({ ...learnt, number, expectedBytes: 1, expectedMs: 1, decodeMs: 900, hashMs: 0, rssBytes: 1 }) + "\\n");
       }`,
    );
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1 });
    await allIdle(decoder);
    const first = decoder.describe(photo, jpeg);
    const pid = busyPid(decoder);
    await vi.waitFor(() => expect(getPriority(pid)).toBeGreaterThan(getPriority()), 60_000);
    const second = await decoder.describe(photo, jpeg);
    expect(await first).toMatchObject({ width: 5, warning: null });
    expect(second).toMatchObject({ width: 5, warning: null });
    expect(second.queueMs).toBeGreaterThan(300); // it ran for 300 ms, and was then queued behind the first
  });
});

// Concurrent, because stand-ins of workers take no processor time.
describe.concurrent("pictures that wait", () => {
  const never = `${takesOne} setInterval(() => {}, 1000);`;

  test("a picture in the queue is decode_timeout at the time limit", async ({ onTestFinished }) => {
    const entry = standIn(onTestFinished, never);
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1, decodeTimeoutMs: 300 });
    await allIdle(decoder);
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => decoder.describe(photo, jpeg)));
    const causes = ["time_limit", ...Array<"workers_busy">(4).fill("workers_busy")] as const;
    expect(outcomes).toMatchObject(causes.map(timedOut));
    expect(decoder.waiting).toBe(0);
  });

  test("a picture is decode_timeout at once if the queue is full", async ({ onTestFinished }) => {
    const entry = standIn(onTestFinished, never);
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1, maxWaiting: 2 });
    await allIdle(decoder);
    for (let index = 0; index < 3; index += 1) void decoder.describe(photo, jpeg);
    expect(await decoder.describe(photo, jpeg)).toMatchObject({ ...timedOut("lane_full"), queueMs: 0 });
  });

  test("a picture leaves the queue when its caller aborts", async ({ onTestFinished }) => {
    const entry = standIn(onTestFinished, never);
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1 });
    void decoder.describe(photo, jpeg);
    const caller = new AbortController();
    const waiting = decoder.describe(photo, jpeg, caller.signal);
    expect(decoder.waiting).toBe(1);
    caller.abort();
    expect(await waiting).toMatchObject({ blurhash: null, ...timedOut("cancelled") });
    expect(decoder.waiting).toBe(0);
    expect(await decoder.describe(photo, jpeg, caller.signal)).toMatchObject(timedOut("cancelled"));
  });

  test("a picture is decode_timeout with the cause no_worker if no worker runs and none can start", async ({
    onTestFinished,
  }) => {
    const entry = standIn(onTestFinished, never);
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1, decodeTimeoutMs: 500 });
    await allIdle(decoder);
    writeFileSync(entry, "process.exit(1);");
    for (const { pid } of decoder.children) process.kill(pid, "SIGKILL");
    await vi.waitFor(() => expect(decoder.isReady).toBe(false), 60_000);
    expect(await decoder.describe(photo, jpeg)).toMatchObject({ width: 64, ...timedOut("no_worker") });
  });

  test("a picture that no worker accepts is decode_timeout, because its bytes cannot be the cause", async ({
    onTestFinished,
  }) => {
    const entry = standIn(
      onTestFinished,
      `writeSync(3, '{"libvips":"8"}\\n'); readSync(3, Buffer.alloc(1)); process.exit(1);`,
    );
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1 });
    expect(await decoder.describe(photo, jpeg)).toMatchObject({ width: 64, ...timedOut("worker_lost") });
    expect(decoder.restarts).toBeGreaterThanOrEqual(4);
  });

  test("queued and later pictures are decode_timeout once the decoder is closed", async ({ onTestFinished }) => {
    const entry = standIn(onTestFinished, never);
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1 });
    const asked = [decoder.describe(photo, jpeg), decoder.describe(photo, jpeg)];
    await decoder.close();
    const outcomes = await Promise.all([...asked, decoder.describe(photo, jpeg)]);
    expect(outcomes).toMatchObject(Array(3).fill(timedOut("closing")));
    expect(decoder).toMatchObject({ isReady: false, children: [] });
  });
});

describe.concurrent("a start", () => {
  test.each([
    ["no loader is blocked", /sharp\.block\([^;]*\);/, "", /reads \w+ although \w+ is blocked/],
    [
      "the class of all loaders is misspelt",
      /"VipsForeignLoad"/,
      '"VipsForeignLod"',
      /reads \w+ although \w+ is blocked/,
    ],
    ["a format's class is misspelt", /VipsForeignLoadHeif/, "VipsForeignLoadHief", /cannot read avif/],
  ])("the start of the decoder fails if %s", async (_, from, to, reason) => {
    const ends: (() => Promise<void> | void)[] = [];
    const folder = folderBeside((end) => ends.push(end));
    const entry = copyWorker(folder);
    const files = readdirSync(folder).map((name) => join(folder, name));
    const [file] = files.filter((file) => from.test(readFileSync(file, "utf8")));
    writeFileSync(file!, readFileSync(file!, "utf8").replace(from, to));
    const start = startDecoder((end) => ends.unshift(end), { entry });
    await expect(start).rejects.toThrow(reason);
    for (const end of ends) await end();
  });

  test("the start of the decoder fails with the reason if sharp is not installed", async ({ onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), "decoder-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    const entry = copyWorker(join(folder, "worker"));
    await expect(startDecoder(onTestFinished, { entry })).rejects.toThrow(/cannot start: .*sharp/);
  });

  test("the start of the decoder fails with the stderr of a worker that crashes", async ({ onTestFinished }) => {
    const entry = standIn(onTestFinished, 'throw new Error("the disk is on fire");');
    await expect(startDecoder(onTestFinished, { entry })).rejects.toThrow("the disk is on fire");
  });

  test("the start of the decoder fails if a blocked loader reads or an enabled one does not", async ({
    onTestFinished,
  }) => {
    const entry = standIn(onTestFinished, `writeSync(3, JSON.stringify({ fault: "libvips reads svg" }) + "\\n");`);
    await expect(startDecoder(onTestFinished, { entry })).rejects.toThrow("libvips reads svg");
  });

  test("a later failed start of a worker is reported with its stderr", async ({ onTestFinished }) => {
    const entry = standIn(onTestFinished, `writeSync(3, '{"libvips":"8"}\\n'); setInterval(() => {}, 1000);`);
    const reasons: string[] = [];
    const decoder = await startDecoder(onTestFinished, {
      entry,
      processes: 1,
      onFailedStart: (reason) => reasons.push(reason),
    });
    await allIdle(decoder);
    writeFileSync(entry, 'throw new Error("the disk is on fire");');
    for (const { pid } of decoder.children) process.kill(pid, "SIGKILL");
    await vi.waitFor(() => expect(reasons.at(-1)).toContain("the disk is on fire"), 60_000);
  });

  test("a later failed start of a worker is retried with a restart backoff", async ({ onTestFinished }) => {
    const entry = standIn(onTestFinished, `writeSync(3, '{"libvips":"8"}\\n'); setTimeout(() => process.exit(1), 20);`);
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1 });
    await vi.waitFor(() => expect(decoder.restarts).toBeGreaterThanOrEqual(6), { timeout: 60_000, interval: 20 });
    const before = decoder.restarts;
    await after(700); // the restart backoff is longer than this by now
    expect(decoder.restarts).toBeLessThanOrEqual(before + 2);
    expect(decoder.isReady).toBe(false);
  });
});
