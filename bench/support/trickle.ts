/** Repeats a request at a fixed rate, in its own process, so that no other load delays its timers. */
import { setInterval } from "node:timers";
import { Pool } from "undici";

export interface TrickleCommand {
  readonly url: string;
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

async function trickle({ url, body, perSecond, durationMs }: TrickleCommand): Promise<TrickleReply> {
  const pool = new Pool(url, { connections });
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

process.on("message", (command: TrickleCommand) => {
  void trickle(command).then((reply) => process.send!(reply));
});
process.on("disconnect", () => process.exit());
