/** Repeats a request at a fixed rate, in its own process, so that no other load delays its timers. */
import { setInterval } from "node:timers";
import { Pool } from "undici";

/** First opens the connections to a service, then repeats a request over them, soon: the service closes idle ones. */
export type TrickleCommand = { readonly connect: string } | TrickleRun;

export interface TrickleRun {
  readonly body: string;
  readonly perSecond: number;
  readonly durationMs: number;
}
export interface TrickleReply {
  /** Time of each request since the start, and its latency. */
  readonly requests: readonly { readonly atMs: number; readonly tookMs: number }[];
  /** Number of responses without status 200. */
  readonly failed: number;
}

const connections = 16; // kept alive, as a chat server does

async function connect(url: string): Promise<Pool> {
  const pool = new Pool(url, { connections });
  const openOne = async () => (await pool.request({ method: "GET", path: "/healthz" })).body.dump();
  await Promise.all(Array.from({ length: connections }, openOne));
  return pool;
}

async function trickle(pool: Pool, { body, perSecond, durationMs }: TrickleRun): Promise<TrickleReply> {
  const requests: { atMs: number; tookMs: number }[] = [];
  const pending: Promise<void>[] = [];
  let failed = 0;
  const began = performance.now();
  const send = async () => {
    const atMs = performance.now() - began;
    const headers = { "content-type": "application/json" };
    const status = await pool.request({ method: "POST", path: "/metadata", headers, body }).then(
      async (reply) => {
        await reply.body.dump();
        return reply.statusCode;
      },
      () => null,
    );
    requests.push({ atMs, tookMs: performance.now() - began - atMs });
    if (status !== 200) failed += 1;
  };
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      pending.push(send());
      if (performance.now() - began < durationMs) return;
      clearInterval(timer);
      resolve();
    }, 1000 / perSecond);
  });
  await Promise.all(pending);
  await pool.close();
  return { requests, failed };
}

let pool: Pool | undefined;

async function execute(command: TrickleCommand): Promise<TrickleReply> {
  if (!("connect" in command)) return trickle(pool!, command);
  pool = await connect(command.connect);
  return { requests: [], failed: 0 };
}

process.on("message", (command: TrickleCommand) => {
  void execute(command).then((reply) => process.send!(reply));
});
process.on("disconnect", () => process.exit());
