import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

const startTimeoutMs = 30_000;

/** The built program, running. */
export interface Service {
  readonly url: string;
  readonly process: ChildProcess;
  /** All that it printed so far. */
  output(): string;
  /** Ends it with SIGTERM, and gives its exit code. */
  stop(): Promise<number | null>;
}

/** Only what the settings say: nothing of the tests' own environment reaches the program. */
function environmentOf(settings: Record<string, string>): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { PATH: process.env.PATH };
  for (const [name, value] of Object.entries(settings)) environment[`MEDIA_ORACLE_${name}`] = value;
  return environment;
}

/**
 * Starts the built program on a free port and waits until it listens.
 *
 * @param settings without the prefix: `{ ALLOW_PORTS: "80" }`
 * @param environment of Node itself, and of libraries
 * @param entry of the program, where it is not this checkout's
 * @param wrapper programs that start it and replace themselves by it, such as prlimit
 *
 * It says so at the level `info`, so a `LOG_LEVEL` above that is of no use here.
 *
 * @throws Error with what it printed, where it ends instead, or says nothing
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

/** Waits until a program that was just started listens, however it was started; see {@link startService}. */
export async function whenListening(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Service> {
  const printed: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => printed.push(text));
  const ended = once(child, "exit").then(([code]) => code as number | null);
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      printed.push(`${line}\n`);
      const [, address] = /listening at (http:\/\/[^"\s]+)/.exec(line) ?? [];
      if (address) resolve(address);
    });
    const fail = (what: string) => reject(new Error(`${what} before it listened:\n${printed.join("")}`));
    void ended.then((code) => fail(`ended with ${code}`));
    setTimeout(fail, startTimeoutMs, "nothing was heard").unref();
  });
  return {
    url,
    process: child,
    output: () => printed.join(""),
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
 * @param surroundings further variables, and what the program reads from its standard input
 */
export async function runProgram(
  args: readonly string[],
  settings: Record<string, string> = {},
  { environment = {}, input = "" }: { environment?: NodeJS.ProcessEnv; input?: string } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...environmentOf(settings), ...environment },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => undefined); // a program that does not read it may have ended before
  child.stdin.end(input);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}
