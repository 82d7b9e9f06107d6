import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { builtEntry, ffmpeg } from "../../support/decoder.ts";
import { asNobody, canBeNobody, hasPrlimit, type Limit, lowerLimit } from "../../support/limits.ts";
import { requires } from "../../support/require.ts";

// Checked here and in test/e2e/service/descriptors.test.ts, each without descriptors: the start of workers and of
// ffmpeg, the detection of the sandbox, connections to origins and name servers (c-ares, getaddrinfo), the reconnect of
// Redis. The cache's file has its own tests of a failed write (test/integration/cache/snapshot-file.test.ts).

type OnFinished = (end: () => Promise<void> | void) => void;

const url = (file: string) => JSON.stringify(new URL(`../../../src/media/decode/${file}`, import.meta.url).href);

/** Runs a script in its own process group, so that a signal to the group does not reach the tests. */
function runScript(onFinished: OnFinished, script: string, wrapper: readonly string[] = []): ChildProcess {
  const [program, ...args] = [...wrapper, process.execPath, "--import", "tsx", "--input-type=module", "--eval", script];
  const child = spawn(program, args, { detached: true, stdio: ["ignore", "inherit", "inherit", "ipc"] });
  onFinished(() => void child.kill("SIGKILL"));
  return child;
}

/** The next message of a script; rejects if it ends instead. */
async function answerOf(child: ChildProcess): Promise<unknown> {
  const ended = once(child, "exit").then(([code, signal]) => {
    throw new Error(`the process ended with ${String(code ?? signal)}`);
  });
  ended.catch(() => undefined);
  const [message] = (await Promise.race([once(child, "message"), ended])) as [unknown];
  return message;
}

async function ask(child: ChildProcess, question: string): Promise<unknown> {
  const answer = answerOf(child);
  child.send(question);
  return answer;
}

/** Runs the action named by each message, and answers with its outcome. */
const script = `
  import { getPriority } from "node:os";
  import { createPosters } from ${url("poster.ts")};
  import { startProcess } from ${url("worker-process.ts")};
  import { detectSandbox } from ${url("sandbox.ts")};
  const start = (wrapper) =>
    startProcess({ entry: new URL(${JSON.stringify(builtEntry.href)}), settings: { formats: ["png"], clips: false }, environment: {}, wrapper });
  const outcome = (promise) => promise.then(() => "done", (error) => error.code ?? error.name);
  const readPoster = createPosters({ ffmpeg: ${JSON.stringify(ffmpeg)}, wrapper: [], timeoutMs: 10000, maxWaiting: 2 });
  const noClip = { bytes: new Uint8Array(9), container: "mov", rotation: 0, displayed: { width: 9, height: 9 } };
  async function begin(wrapper) {
    const child = start(wrapper);
    child.slowDown();
    child.kill();
    return {
      pid: child.pid,
      asked: await outcome(child.ask({}, new Uint8Array())),
      ready: await outcome(child.ready),
      ended: await outcome(child.ended),
      isSlow: getPriority() > 0,
    };
  }
  const does = {
    work: async () => { const child = start([]); const ready = await outcome(child.ready); child.kill(); await child.ended; return ready; },
    begin: () => begin([]),
    missing: () => begin(["/nonexistent"]),
    nul: () => begin(["a\\0b"]),
    poster: () => outcome(readPoster(noClip)),
    posters: () => Promise.all(Array.from({ length: 9 }, () => outcome(readPoster(noClip)))),
    walls: () => outcome(detectSandbox(1e8)),
  };
  process.on("message", async (what) => process.send(await does[what]()));
  process.send(await does.work());
`;

const neverStarted = { pid: null, asked: "NotAcceptedError", ended: "done", isSlow: false };

describe("a worker that cannot be started", () => {
  test.for([
    ["missing", "because its program is missing", "ENOENT"],
    ["nul", "because Node refuses its arguments", "ERR_INVALID_ARG_VALUE"],
  ] as const)(
    "(%s) a worker that cannot start %s counts as ended: kill and slowDown reach no process",
    async ([name, , ready], context) => {
      const child = runScript(context.onTestFinished, script);
      expect(await answerOf(child)).toBe("done");
      expect(await ask(child, name)).toEqual({ ...neverStarted, ready });
      expect(await ask(child, "work")).toBe("done");
    },
  );

  const shortages: [Limit, string, readonly string[], boolean][] = [
    ["nofile", "EMFILE", [], requires("prlimit", hasPrlimit)],
    ["nproc", "EAGAIN", asNobody, requires("root user with a checkout that others can read", canBeNobody)],
  ];
  for (const [limit, code, wrapper, isSkipped] of shortages) {
    test.skipIf(isSkipped)(
      `a worker that fails with ${code} counts as ended, does not weaken the sandbox, and can be started later`,
      async ({ onTestFinished }) => {
        const child = runScript(onTestFinished, script, wrapper);
        expect(await answerOf(child)).toBe("done");
        const restore = lowerLimit(child.pid!, limit, 1, wrapper);
        expect(await ask(child, "begin")).toEqual({ ...neverStarted, ready: code });
        expect(await ask(child, "posters")).toEqual(Array(9).fill("done")); // null: a poster never rejects
        expect(await ask(child, "walls")).toBe(code);
        restore();
        expect(await ask(child, "work")).toBe("done");
        expect(await ask(child, "walls")).toBe("done");
        expect(await ask(child, "poster")).toBe("done");
      },
    );
  }
});
