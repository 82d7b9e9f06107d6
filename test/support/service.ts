import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

const startTimeoutMs = 30_000;

/** A process of the built program. */
export interface Service {
  readonly url: string;
  readonly process: ChildProcess;
  /** Its output so far. */
  output(): string;
  /** Stops it with SIGTERM, and returns its exit code. */
  stop(): Promise<number | null>;
}

/** Returns an environment with only the settings: the tests' own environment does not reach the program. */
function environmentOf(settings: Record<string, string>): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { PATH: process.env.PATH };
  for (const [name, value] of Object.entries(settings)) environment[`MEDIA_ORACLE_${name}`] = value;
  return environment;
}

/**
 * Starts the built program on a free port and waits until it listens.
 *
 * @param settings without the prefix: `{ ALLOW_PORTS: "80" }`
 * @param environment further variables, of Node and of libraries
 * @param entry main.js of another build
 * @param wrapper programs that exec the service, such as prlimit
 *
 * It waits for a log line at `info`, so `LOG_LEVEL` must include that level.
 *
 * @throws Error with its output if it exits or does not listen in time
 */
export async function startService(
  settings: Record<string, string> = {},
  environment: NodeJS.ProcessEnv = {},
  entry = program,
  wrapper: readonly string[] = [],
): Promise<Service> {
  const [first, ...args] = [...wrapper, process.execPath, entry];
  return whenListening(
    spawn(first, args, {
      env: { ...environmentOf({ PORT: "0", ...settings }), ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
}

/** Waits until a program that was just started listens; see {@link startService}. */
export async function whenListening(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Service> {
  const output: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => output.push(text));
  // "close", not "exit": only then all of its output has arrived.
  const ended = once(child, "close").then(([code]) => code as number | null);
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      output.push(`${line}\n`);
      const [, address] = /listening at (http:\/\/[^"\s]+)/.exec(line) ?? [];
      if (address) resolve(address);
    });
    const fail = (reason: string) => reject(new Error(`${reason} before it listened:\n${output.join("")}`));
    void ended.then((code) => fail(`exited with ${code}`));
    setTimeout(fail, startTimeoutMs, "timeout").unref();
  });
  return {
    url,
    process: child,
    output: () => output.join(""),
    stop: () => {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

/**
 * Runs the built program to its end.
 *
 * @param settings without the prefix
 * @param options further variables, and the standard input
 */
export async function runProgram(
  args: readonly string[],
  settings: Record<string, string> = {},
  { environment = {}, input = "" }: { environment?: NodeJS.ProcessEnv; input?: string | Buffer } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...environmentOf(settings), ...environment },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => undefined); // EPIPE of a program that exits without reading it
  child.stdin.end(input);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}
