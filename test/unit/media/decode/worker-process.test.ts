import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { type DecoderProcess, NotAcceptedError, startProcess } from "../../../../src/media/decode/worker-process.ts";
import { formats } from "../../../../src/media/formats/index.ts";
import type { Request } from "../../../../src/media/protocol.ts";
import { takesOne } from "../../../support/decoder.ts";

const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
afterAll(() => rmSync(folder, { recursive: true }));

const started: DecoderProcess[] = [];
afterEach(async () => {
  for (const process of started.splice(0)) {
    process.kill();
    await process.ended;
  }
});

/** Starts a program in the place of the worker's. */
function start(source: string, environment: Readonly<Record<string, string>> = {}): DecoderProcess {
  const file = join(folder, `worker-${started.length}-${Math.trunc(performance.now())}.mjs`);
  writeFileSync(file, `import { closeSync, readSync, writeSync } from "node:fs";\n${source}`);
  const settings = { formats: [], clips: false };
  const process = startProcess({ entry: pathToFileURL(file), settings, environment, wrapper: [] });
  started.push(process);
  return process;
}

const request: Request = {
  number: 7,
  operation: "measure",
  format: formats[0]!,
  bytes: 0,
  allowed: { bytes: 1, milliseconds: 1 },
};

const greets = `writeSync(3, '{"libvips":"8.18"}\\n');`;
const waits = "setInterval(() => {}, 1000);";
const pauses = "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);";
const writes = (text: string) => `writeSync(3, ${JSON.stringify(text)});`;

async function ask(process: DecoderProcess, body = new Uint8Array()) {
  await process.ready;
  const { answer } = await process.ask({ ...request, bytes: body.length }, body);
  const { line, clip } = await answer;
  return { line, clip: [...clip] };
}

describe("a message of a worker", () => {
  test.each<[string, string, { line: string; clip: readonly number[] }]>([
    ["in one piece", writes('{"a":1}\n'), { line: '{"a":1}', clip: [] }],
    ["in several pieces", ["{", "}", "\n"].map(writes).join(pauses), { line: "{}", clip: [] }],
    ["with a clip of all kinds of bytes", `writeSync(3, Buffer.from([...Buffer.from('{"clipBytes":4}\\n'), 0, 10, 128, 255]));`, { line: '{"clipBytes":4}', clip: [0, 10, 128, 255] }],
    ["with a clip in several pieces", `${writes('{"clipBytes":4}\n')}${pauses}${writes("ab")}${pauses}${writes("cd")}`, { line: '{"clipBytes":4}', clip: [97, 98, 99, 100] }],
    ["whose clip is longer than a line may be", `${writes('{"clipBytes":2000}\n')}${writes("a".repeat(1999))}${pauses}${writes("a")}`, { line: '{"clipBytes":2000}', clip: Array<number>(2000).fill(97) }],
    ["whose line is as long as it may be", `${writes("x".repeat(1536))}${pauses}${writes("\n")}`, { line: "x".repeat(1536), clip: [] }],
  ])("a message is read %s", async (_, script, expected) => {
    expect(await ask(start(`${takesOne}${script}${waits}`))).toEqual(expected);
  }); // prettier-ignore

  test("a worker whose line is longer than it may be is killed", async () => {
    const process = start(`${takesOne}${writes("x".repeat(1537))}${waits}`);
    await expect(ask(process)).rejects.toThrow("it ended");
    await process.ended;
  });

  test("a worker that sends a message without a request is killed", async () => {
    const process = start(`${greets}${pauses}${writes("{}\n")}${waits}`);
    expect(await process.ready).toBe("8.18");
    await process.ended;
  });

  test("the answers to two requests are read one after the other", async () => {
    const process = start(`${takesOne}${writes("one\n")}readSync(3, header);${writes('{"taken":7}\ntwo\n')}${waits}`);
    expect([await ask(process), await ask(process)]).toMatchObject([{ line: "one" }, { line: "two" }]);
  });

  test("the body follows its request", async () => {
    const process = start(
      `${takesOne}const body = Buffer.alloc(3); readSync(3, body); writeSync(3, body.toString() + "\\n");${waits}`,
    );
    expect(await ask(process, Buffer.from("abc"))).toMatchObject({ line: "abc" });
  });
});

describe("a worker that fails", () => {
  test.each([
    ["its own error", `${writes('{"fault":"no libvips"}\n')}${waits}`, "no libvips"],
    ["what it wrote to stderr", "process.stderr.write(' the disk is on fire\\n'); process.exitCode = 1;", /^the disk is on fire$/],
    ["at most 2000 characters of it", "process.stderr.write('x'.repeat(5000)); process.exitCode = 1;", /^x{2000}$/],
    ["that it ended, if it said nothing", "process.exitCode = 1;", "it ended"],
    ["that it cannot be understood", `${writes("hello\n")}${waits}`, "understood"],
  ])("a worker that does not start rejects with %s", async (_, script, reason) => {
    const process = start(script);
    await expect(process.ready).rejects.toThrow(reason);
    await process.ended;
    await expect(process.ask(request, new Uint8Array())).rejects.toThrow(NotAcceptedError);
  }); // prettier-ignore

  test("a request that the worker never read was not accepted, one that it read was", async () => {
    const unread = start(`${greets}readSync(3, Buffer.alloc(1)); process.exit(1);`);
    await expect(ask(unread)).rejects.toThrow(NotAcceptedError);
    const read = start(`${takesOne}process.exit(1);`);
    await read.ready;
    const { answer } = await read.ask(request, new Uint8Array());
    await expect(answer).rejects.toThrow("it ended");
    await expect(answer).rejects.not.toThrow(NotAcceptedError);
  });

  test("a worker that accepts another request breaks the protocol", async () => {
    const asked = ask(start(`${greets}readSync(3, Buffer.alloc(1));${writes('{"taken":8}\n')}${waits}`));
    await expect(asked).rejects.toThrow("healthy");
    await expect(asked).rejects.not.toThrow(NotAcceptedError);
  });

  test("the last message of a worker that ends at once is read", async () => {
    expect(await ask(start(`${takesOne}${writes("last\n")}process.exit(0);`))).toMatchObject({ line: "last" });
  });
});

test("a worker whose program is missing rejects its start and every request", async () => {
  const settings = { formats: [], clips: false };
  const entry = pathToFileURL(join(folder, "unused.mjs"));
  const process = startProcess({ entry, settings, environment: {}, wrapper: [join(folder, "missing")] });
  expect(process.pid).toBeNull();
  await expect(process.ready).rejects.toThrow("ENOENT");
  await process.ended;
  await expect(process.ask(request, new Uint8Array())).rejects.toThrow(NotAcceptedError);
  expect(() => [process.slowDown(), process.kill()]).not.toThrow();
});

describe("time limits", () => {
  /** Only the timers of the test's own process are fake. */
  const useFakeTimers = (onFinished: (end: () => void) => void) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onFinished(() => void vi.useRealTimers());
  };
  const isRunning = async (process: DecoderProcess) =>
    Promise.race([process.ended.then(() => false), new Promise((resolve) => setImmediate(resolve, true))]);

  test("a worker that is not ready after 30 s is killed", async ({ onTestFinished }) => {
    useFakeTimers(onTestFinished);
    const process = start(waits);
    vi.advanceTimersByTime(29_999);
    expect(await isRunning(process)).toBe(true);
    vi.advanceTimersByTime(1);
    await expect(process.ready).rejects.toThrow("it ended");
  });

  test("a worker that does not accept a request within 1.5 s is killed", async ({ onTestFinished }) => {
    useFakeTimers(onTestFinished);
    const process = start(`${greets}${waits}`);
    await process.ready;
    const asked = expect(process.ask(request, new Uint8Array())).rejects.toThrow(NotAcceptedError);
    vi.advanceTimersByTime(1499);
    expect(await isRunning(process)).toBe(true);
    vi.advanceTimersByTime(1);
    await asked;
    await process.ended;
  });

  test("a worker that is ready, or has accepted a request, has no time limit here", async ({ onTestFinished }) => {
    useFakeTimers(onTestFinished);
    const process = start(`${takesOne}${pauses.repeat(5)}${writes("late\n")}${waits}`);
    await process.ready;
    vi.advanceTimersByTime(100_000);
    const { answer } = await process.ask(request, new Uint8Array());
    vi.advanceTimersByTime(100_000);
    expect(await answer).toMatchObject({ line: "late" });
  });
});

test("a worker has a heap of 256 MB and two malloc arenas, and inherits no environment variable", async () => {
  const script = `${takesOne}writeSync(3, JSON.stringify([process.execArgv, process.env]) + "\\n");${waits}`;
  const { line } = await ask(start(script, { LD_PRELOAD: "" }));
  const [flags, environment] = JSON.parse(line) as [string[], object];
  expect(flags).toContain("--max-old-space-size=256");
  expect(environment).toEqual({ MALLOC_ARENA_MAX: "2", LD_PRELOAD: "" });
});

test("a worker that is ready reports nothing on stderr: a picture might write there", async () => {
  const process = start(`${takesOne}try { writeSync(2, "a secret"); } catch {} process.exit(1);`);
  await expect(ask(process)).rejects.toThrow(/^it ended$/);
});

test("a worker that closes its socket is killed", async () => {
  const process = start(`${greets}closeSync(3);${waits}`);
  await process.ready;
  await process.ended;
  await expect(process.ask(request, new Uint8Array())).rejects.toThrow("it has ended");
  await vi.waitFor(() => expect(() => globalThis.process.kill(process.pid!, 0)).toThrow("ESRCH"), { timeout: 50_000 });
});

test("a worker that is slowed down has a niceness that is higher by ten, at most 19", async () => {
  const process = start(`${greets}${waits}`);
  await process.ready;
  process.slowDown();
  expect(getPriority(process.pid!)).toBe(Math.min(19, getPriority() + 10));
  process.kill();
  await process.ended;
  expect(() => process.slowDown()).not.toThrow();
});
