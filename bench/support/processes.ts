import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** Another process of the bench, which does what a message asks for and answers with one. */
export interface Helper<Question, Reply> {
  readonly pid: number;
  ask(question: Question): Promise<Reply>;
  stop(): void;
}

/** Starts `bench/support/NAME.ts` in a process of its own, so that what is compared does not share an event loop. */
export function startHelper<Question extends object, Reply>(name: string): Helper<Question, Reply> {
  const child = fork(fileURLToPath(new URL(`./${name}.ts`, import.meta.url)), {
    execArgv: ["--import", "tsx"],
    stdio: "inherit",
  });
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`${name} ended with ${String(code)}`);
  });
  ended.catch(() => undefined); // an end that nobody waits for any more is no fault
  return {
    pid: child.pid!,
    async ask(question) {
      child.send(question);
      const [reply] = await Promise.race([once(child, "message"), ended]);
      return reply as Reply;
    },
    stop: () => child.disconnect(),
  };
}
