import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import sharp from "sharp";
import { describe, expect, test, vi } from "vitest";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { zeroPng } from "../../support/bombs.ts";
import {
  allIdle,
  builtEntry,
  decodingPid,
  folderBeside,
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
const large = zeroPng(9000, { colour: 2, depth: 8, isInterlaced: true }); // 2 s, 330 MB
const good = { width: 64, height: 64, animated: false, warning: null };

const busyPid = (decoder: Decoder) => decoder.children.find(({ state }) => state === "busy")!.pid;

function isAlive(pid: number): boolean {
  try {
    // A process that ended but was not yet waited for still takes signals.
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

describe("a decoder", () => {
  test("describes a picture, and says how long that took", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    const described = await decoder.describe(photo, jpeg);
    expect(described).toMatchObject(good);
    expect(described.blurhash).toHaveLength(28);
    expect(described.decodeMs).toBeGreaterThan(0);
    expect(described.hashMs).toBeGreaterThan(0);
  });

  test("keeps a spare process besides those that may work", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished, { processes: 3 });
    expect(decoder.children).toHaveLength(4);
    expect(decoder.isReady).toBe(true);
  });

  test("describes many pictures at once, never more than it has processes for", async ({ onTestFinished }) => {
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

  test("says nothing of a format that is off or has no pixels, at once", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished, { formats: ["jpeg"] });
    const nothing = { width: null, height: null, blurhash: null, warning: null };
    expect(await decoder.describe(photo, png)).toMatchObject(nothing);
    expect(await decoder.describe(photo, formatNamed("zip"))).toMatchObject(nothing);
  });

  test("does not let a blocked loader read what goes by another name", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished, { formats: ["jpeg", "png"] });
    const drawing = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    for (const body of [drawing, await picture().webp().toBuffer(), Buffer.from("P5\n1 1\n255\n\0")]) {
      expect(await decoder.describe(body, jpeg)).toMatchObject({ width: null, warning: "decode_failed" });
    }
    expect(await decoder.describe(photo, jpeg)).toMatchObject(good);
  });

  test("does not decode what would take too much memory, but measures it", async ({ onTestFinished }) => {
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

  test("answers for an empty body", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    expect(await decoder.describe(Buffer.alloc(0), jpeg)).toMatchObject({ warning: "decode_failed" });
  });
});

describe("a process", () => {
  test("that is killed while it decodes costs its own picture only", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    const lost = decoder.describe(large, png);
    process.kill(await decodingPid(decoder), "SIGKILL");
    const beside = decoder.describe(photo, jpeg);
    expect(await lost).toMatchObject({ width: 9000, blurhash: null, warning: "decode_failed" });
    expect(await beside).toMatchObject(good);
    await vi.waitFor(() => expect(decoder.children).toHaveLength(3), 10_000);
    expect(decoder.restarts).toBe(1);
  });

  test("that is killed before it looked at its picture costs none", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    await allIdle(decoder);
    const pids = decoder.children.map(({ pid }) => pid);
    for (const pid of pids) process.kill(pid, "SIGSTOP"); // or it might be quicker than the signal below
    const asked = decoder.describe(Buffer.concat([photo, Buffer.alloc(4e6)]), jpeg); // the write is half done
    process.kill(busyPid(decoder), "SIGKILL");
    for (const pid of pids) process.kill(pid, "SIGCONT");
    expect(await asked).toMatchObject(good);
  });

  test(
    "that hangs is killed at the time limit, and pictures beside it are not held up",
    { timeout: 60_000 },
    async ({ onTestFinished }) => {
      const decoder = await startDecoder(onTestFinished, { processes: 1, decodeTimeoutMs: 8000 });
      const hung = decoder.describe(large, png);
      const pid = await decodingPid(decoder);
      process.kill(pid, "SIGSTOP");
      expect(await decoder.describe(photo, jpeg)).toMatchObject(good);
      await after(4000); // or the time of the next in the row would be over first
      const behind = decoder.describe(large, png); // waits for the only place, and may run when that is replaced
      expect(await hung).toMatchObject({ width: 9000, blurhash: null, warning: "decode_timeout", decodeMs: 8000 });
      expect(await behind).toMatchObject({ width: 9000, warning: null });
      expect(isAlive(pid)).toBe(false);
    },
  );

  test("that stands still is found when it is given a picture, which another then takes", async ({
    onTestFinished,
  }) => {
    const decoder = await startDecoder(onTestFinished);
    await allIdle(decoder);
    const stopped = decoder.children.map(({ pid }) => pid).slice(0, 2);
    for (const pid of stopped) process.kill(pid, "SIGSTOP");
    for (let round = 0; round < 3; round += 1) expect(await decoder.describe(photo, jpeg)).toMatchObject(good);
    await vi.waitFor(() => expect(stopped.filter(isAlive)).toEqual([]), 10_000);
  });

  test("obeys no signal that a terminal or an init system sends to the whole group", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    const states = () => decoder.children.map(({ state }) => state);
    await vi.waitFor(() => expect(states()).toEqual(["idle", "idle", "idle"]), 10_000);
    for (const { pid } of decoder.children) for (const signal of ["SIGINT", "SIGTERM"]) process.kill(pid, signal);
    expect(await decoder.describe(photo, jpeg)).toMatchObject(good);
    expect(decoder.restarts).toBe(0);
  });

  test("ends with its parent, however that ends", async ({ onTestFinished }) => {
    const entry = standIn(
      onTestFinished,
      `import { createDecoder } from ${JSON.stringify(new URL("../decode/decoder.js", builtEntry).href)};
       const entry = new URL(${JSON.stringify(builtEntry.href)});
       const decoder = createDecoder({ entry, processes: 1, decodeTimeoutMs: 1e4, decodeBytes: 1e8, maxWaiting: 1, formats: ["jpeg"] });
       await decoder.start();
       console.log(JSON.stringify(decoder.children.map(({ pid }) => pid)));`,
    );
    const parent = spawn(process.execPath, [fileURLToPath(entry)], { stdio: ["ignore", "pipe", "inherit"] });
    const pids = await new Promise<number[]>((resolve) => {
      parent.stdout.once("data", (line: Buffer) => resolve(JSON.parse(line.toString()) as number[]));
    });
    expect(pids.filter(isAlive)).toHaveLength(2);
    parent.kill("SIGKILL");
    await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), 10_000);
  });

  const takenOver = {
    "writes what is no JSON": 'writeSync(3, "hello\\n")',
    "writes without end": 'for (;;) writeSync(3, "x".repeat(65536))',
    "answers another question": 'writeSync(3, JSON.stringify({ number: 99 }) + "\\n")',
    ends: "process.exit(0)",
    crashes: "process.abort()",
    "speaks Node's own protocol": 'writeSync(3, JSON.stringify({ cmd: "NODE_HANDLE", type: "net.Native" }) + "\\n")',
  };

  /** A process that answers each request with the fields of the next of these objects, the last one from then on. */
  const answering = (...answers: readonly object[]) => `
    const read = (bytes) => { const buffer = Buffer.alloc(bytes); for (let at = 0; at < bytes;) at += readSync(3, buffer, at, bytes - at, null); return buffer; };
    const learnt = { width: 5, height: 5, animated: false, blurhash: null, thumbhash: null, durationMs: null, warning: null, clipBytes: 0,
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

  test("that breaks a rule in an answer loses that picture only, and is replaced after three in a row", async ({
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
    await vi.waitFor(() => expect(decoder.restarts).toBe(1), 10_000);
    await allIdle(decoder);
    expect(decoder.children).toHaveLength(2);
  });

  test.each(Object.entries(takenOver))("that %s is replaced, and its picture failed", async (_, does) => {
    const ends: (() => Promise<void> | void)[] = [];
    const entry = standIn((end) => ends.push(end), `${takesOne} ${does}; setInterval(() => {}, 1000);`);
    const decoder = await startDecoder((end) => ends.unshift(end), { entry });
    expect(await decoder.describe(photo, jpeg)).toMatchObject({ width: 64, blurhash: null, warning: "decode_failed" });
    await vi.waitFor(() => expect(decoder.restarts).toBe(1), 10_000);
    for (const end of ends) await end();
  });
});

describe("slow pictures", () => {
  test("do not hold up quick ones, however many wait", async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished, { maxWaiting: 10 });
    await allIdle(decoder);
    const slow = Array.from({ length: 10 }, () => decoder.describe(large, png));
    await decodingPid(decoder);
    const latencies: number[] = [];
    for (let round = 0; round < 50; round += 1) {
      const began = performance.now();
      expect(await decoder.describe(photo, jpeg)).toMatchObject(good);
      latencies.push(performance.now() - began);
    }
    expect(Math.max(...latencies)).toBeLessThan(500);
    expect(decoder.waiting).toBeGreaterThan(0);
    await decoder.close();
    await Promise.all(slow);
  });

  test(
    "go one after another, all within the memory for all, and none is forgotten",
    { timeout: 60_000 },
    async ({ onTestFinished }) => {
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
      expect(await Promise.all(slow)).toMatchObject(Array(3).fill({ width: 9000, warning: null }));
      expect(Math.max(...peaks)).toBeGreaterThan(200e6);
      expect(Math.max(...peaks)).toBeLessThan(decodeBytes);
    },
  );

  test("give way: their process has a lower priority", { timeout: 60_000 }, async ({ onTestFinished }) => {
    const decoder = await startDecoder(onTestFinished);
    await allIdle(decoder);
    const priorities = () => decoder.children.map(({ pid }) => getPriority(pid) - getPriority());
    expect(priorities().filter((priority) => priority > 0)).toHaveLength(1);
    const slow = decoder.describe(large, png);
    expect(getPriority(await decodingPid(decoder)) - getPriority()).toBeGreaterThan(0);
    expect(await slow).toMatchObject({ warning: null });
  });

  test("that did not look so go on where nothing else is slow, and begin anew behind what is", async ({
    onTestFinished,
  }) => {
    const entry = standIn(
      onTestFinished,
      `writeSync(3, '{"libvips":"8"}\\n');
       const read = (bytes) => { const buffer = Buffer.alloc(bytes); for (let at = 0; at < bytes;) at += readSync(3, buffer, at, bytes - at, null); return buffer; };
       const learnt = { width: 5, height: 5, animated: false, blurhash: null, thumbhash: null, durationMs: null, warning: null,
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
    await vi.waitFor(() => expect(getPriority(pid)).toBeGreaterThan(getPriority()));
    const second = await decoder.describe(photo, jpeg);
    expect(await first).toMatchObject({ width: 5, warning: null });
    expect(second).toMatchObject({ width: 5, warning: null });
    expect(second.queueMs).toBeGreaterThan(300); // it ran for so long, and was then put behind the first
  });
});

describe("pictures that wait", () => {
  const never = `${takesOne} setInterval(() => {}, 1000);`;

  test("longer than the time limit get the answer that it came", async ({ onTestFinished }) => {
    const entry = standIn(onTestFinished, never);
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1, decodeTimeoutMs: 300 });
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => decoder.describe(photo, jpeg)));
    expect(outcomes.map(({ warning }) => warning)).toEqual(Array(5).fill("decode_timeout"));
    expect(decoder.waiting).toBe(0);
  });

  test("in too long a row get it at once", async ({ onTestFinished }) => {
    const entry = standIn(onTestFinished, never);
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1, maxWaiting: 2 });
    await vi.waitFor(() => expect(decoder.children.map(({ state }) => state)).toEqual(["idle", "idle"]), 10_000);
    for (let index = 0; index < 3; index += 1) void decoder.describe(photo, jpeg);
    expect(await decoder.describe(photo, jpeg)).toMatchObject({ warning: "decode_timeout", queueMs: 0 });
  });

  test("leave the row when nobody wants them any more", async ({ onTestFinished }) => {
    const entry = standIn(onTestFinished, never);
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1 });
    void decoder.describe(photo, jpeg);
    const caller = new AbortController();
    const waiting = decoder.describe(photo, jpeg, caller.signal);
    expect(decoder.waiting).toBe(1);
    caller.abort();
    expect(await waiting).toMatchObject({ blurhash: null });
    expect(decoder.waiting).toBe(0);
  });

  test("are over when the decoder is closed, as if their time were, and so are later ones", async ({
    onTestFinished,
  }) => {
    const entry = standIn(onTestFinished, never);
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1 });
    const asked = [decoder.describe(photo, jpeg), decoder.describe(photo, jpeg)];
    await decoder.close();
    const outcomes = await Promise.all([...asked, decoder.describe(photo, jpeg)]);
    expect(outcomes.map(({ warning }) => warning)).toEqual(Array(3).fill("decode_timeout"));
    expect(decoder).toMatchObject({ isReady: false, children: [] });
  });
});

describe("a start", () => {
  test.each([
    ["no loader is blocked", "worker/vips.js", /sharp\.block\(.*\);/, "", /reads \w+ although \w+ is blocked/],
    [
      "the class of all loaders is misspelt",
      "worker/vips.js",
      /"VipsForeignLoad"/,
      '"VipsForeignLod"',
      /reads \w+ although \w+ is blocked/,
    ],
    [
      "a format's class is misspelt",
      "formats/index.js",
      /VipsForeignLoadHeif/,
      "VipsForeignLoadHief",
      /cannot read avif/,
    ],
  ])("fails where %s", async (_, file, from, to, reason) => {
    const ends: (() => Promise<void> | void)[] = [];
    const folder = folderBeside((end) => ends.push(end), new URL("../../", builtEntry));
    cpSync(dirname(dirname(fileURLToPath(builtEntry))), folder, { recursive: true });
    const source = readFileSync(join(folder, file), "utf8");
    writeFileSync(join(folder, file), source.replace(from, to));
    expect(source).toMatch(from);
    const start = startDecoder((end) => ends.unshift(end), { entry: pathToFileURL(join(folder, "worker", "main.js")) });
    await expect(start).rejects.toThrow(reason);
    for (const end of ends) await end();
  });

  test("fails with the reason where sharp is not installed", async ({ onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), "decoder-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    cpSync(dirname(dirname(dirname(fileURLToPath(builtEntry)))), folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    const entry = pathToFileURL(join(folder, "media", "worker", "main.js"));
    await expect(startDecoder(onTestFinished, { entry })).rejects.toThrow(/cannot start: .*sharp/);
  });

  test("fails with what a program that breaks off wrote", async ({ onTestFinished }) => {
    const entry = standIn(onTestFinished, 'throw new Error("the disk is on fire");');
    await expect(startDecoder(onTestFinished, { entry })).rejects.toThrow("the disk is on fire");
  });

  test("fails where a loader that should be blocked is not, or one that is on does not work", async ({
    onTestFinished,
  }) => {
    const entry = standIn(onTestFinished, `writeSync(3, JSON.stringify({ fault: "libvips reads svg" }) + "\\n");`);
    await expect(startDecoder(onTestFinished, { entry })).rejects.toThrow("libvips reads svg");
  });

  test("that fails later is tried again, more and more slowly", async ({ onTestFinished }) => {
    const entry = standIn(onTestFinished, `writeSync(3, '{"libvips":"8"}\\n'); setTimeout(() => process.exit(1), 20);`);
    const decoder = await startDecoder(onTestFinished, { entry, processes: 1 });
    await vi.waitFor(() => expect(decoder.restarts).toBeGreaterThanOrEqual(6), { timeout: 15_000, interval: 20 });
    const before = decoder.restarts;
    await after(700); // by now the pause is longer than this
    expect(decoder.restarts).toBeLessThanOrEqual(before + 2);
    expect(decoder.isReady).toBe(false);
  });
});
