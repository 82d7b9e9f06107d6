import { spawn } from "node:child_process";
import { once } from "node:events";
import type { OnFinished } from "./prosody.ts";

/**
 * Starts a reverse proxy, and waits until its standard error has a text.
 *
 * @param home for the files that it keeps
 * @returns a function that returns its standard error so far
 * @throws Error with that, if it ends first
 */
export async function startProxy(
  onFinished: OnFinished,
  [program, ...args]: readonly [string, ...string[]],
  readyText: string,
  home: string,
): Promise<() => string> {
  const child = spawn(program, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env.PATH, HOME: home },
  });
  const ended = once(child, "exit");
  onFinished(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  let printed = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
      if (printed.includes(readyText)) resolve();
    });
    void ended.then(() => reject(new Error(printed)));
  });
  return () => printed;
}
