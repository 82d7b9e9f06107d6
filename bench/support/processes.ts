import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A child process of a benchmark; it executes commands and sends one reply for each. */
export interface Helper<Command, Reply> {
  readonly pid: number;
  send(command: Command): Promise<Reply>;
  stop(): void;
}

/** Starts `bench/support/NAME.ts` in its own process, so that it does not share an event loop with the benchmark. */
export function startHelper<Command extends object, Reply>(name: string): Helper<Command, Reply> {
  const child = fork(fileURLToPath(new URL(`./${name}.ts`, import.meta.url)), {
    execArgv: ["--import", "tsx"],
    stdio: "inherit",
  });
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`${name} ended with ${String(code)}`);
  });
  ended.catch(() => undefined); // an exit without a pending command is no error
  return {
    pid: child.pid!,
    async send(command) {
      child.send(command);
      const [reply] = await Promise.race([once(child, "message"), ended]);
      return reply as Reply;
    },
    stop: () => child.disconnect(),
  };
}
