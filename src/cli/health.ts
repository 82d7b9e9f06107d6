import type { Config } from "../config.ts";

// The container asks every ten seconds, and gives three.
const timeoutMs = 2000;

/** Whether the service on this machine would answer. */
export async function isHealthy({ HOST, PORT }: Config): Promise<boolean> {
  const host = { "0.0.0.0": "127.0.0.1", "::": "[::1]" }[HOST] ?? (HOST.includes(":") ? `[${HOST}]` : HOST);
  try {
    const reply = await fetch(`http://${host}:${PORT}/readyz`, { signal: AbortSignal.timeout(timeoutMs) });
    return reply.ok;
  } catch {
    return false;
  }
}
