import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { vi } from "vitest";
import type { OnFinished } from "./prosody.ts";

// The shortest accept queue. Linux queues one connection more than the backlog, and then drops each SYN.
const backlog = 1;

const listen = `
  const [host, port, backlog] = process.argv.slice(1);
  require("node:net").createServer().listen({ host, port: Number(port), backlog: Number(backlog) }, () => console.log("ready"));`;

/**
 * Makes a port of a loopback address silent: it neither accepts nor refuses a connection, as behind a firewall that drops.
 *
 * The listener is a stopped process with a full accept queue.
 */
export async function silenceAddress(onFinished: OnFinished, host: string, port: number): Promise<void> {
  const child = spawn(process.execPath, ["-e", listen, host, String(port), String(backlog)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  onFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  await once(child.stdout, "data");
  child.kill("SIGSTOP");
  // proc(5): the state after the name in parentheses; T is "stopped".
  await vi.waitFor(() => {
    if (!readFileSync(`/proc/${child.pid!}/stat`, "utf8").includes(") T ")) throw new Error("the listener runs still");
  });
  const queued = Array.from({ length: backlog + 1 }, () => connect(port, host));
  onFinished(() => queued.forEach((socket) => socket.destroy()));
  for (const socket of queued) socket.on("error", () => undefined); // a reset, when the listener ends
  await Promise.all(queued.map((socket) => once(socket, "connect")));
}
