/** Asks the same again and again, so often a second, in a process that does nothing else: its clock is not held up by others. */
import { setInterval } from "node:timers";
import { Pool } from "undici";

export interface TrickleQuestion {
  readonly url: string;
  readonly body: string;
  readonly perSecond: number;
  readonly durationMs: number;
}
export interface TrickleReply {
  /** When each was asked, from the begin on, and how long its answer took. */
  readonly asked: readonly { readonly atMs: number; readonly tookMs: number }[];
  /** Answers that were no 200. */
  readonly failed: number;
}

const connections = 16; // kept alive, as those of a chat server are

async function trickle({ url, body, perSecond, durationMs }: TrickleQuestion): Promise<TrickleReply> {
  const pool = new Pool(url, { connections });
  const asked: { atMs: number; tookMs: number }[] = [];
  const pending: Promise<void>[] = [];
  let failed = 0;
  const began = performance.now();
  const ask = async () => {
    const atMs = performance.now() - began;
    const headers = { "content-type": "application/json" };
    const status = await pool.request({ method: "POST", path: "/metadata", headers, body }).then(
      async (reply) => {
        await reply.body.dump();
        return reply.statusCode;
      },
      () => null,
    );
    asked.push({ atMs, tookMs: performance.now() - began - atMs });
    if (status !== 200) failed += 1;
  };
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      pending.push(ask());
      if (performance.now() - began < durationMs) return;
      clearInterval(timer);
      resolve();
    }, 1000 / perSecond);
  });
  await Promise.all(pending);
  await pool.close();
  return { asked, failed };
}

process.on("message", (question: TrickleQuestion) => {
  void trickle(question).then((reply) => process.send!(reply));
});
process.on("disconnect", () => process.exit());
