import type { Config } from "../config.ts";

// The health check of the container runs every 10 s with a timeout of 3 s.
const timeoutMs = 2000;

/** Whether the service on this machine is ready. */
export async function isHealthy({ HOST, PORT }: Config): Promise<boolean> {
  const host = { "0.0.0.0": "127.0.0.1", "::": "[::1]" }[HOST] ?? (HOST.includes(":") ? `[${HOST}]` : HOST);
  try {
    const response = await fetch(`http://${host}:${PORT}/readyz`, { signal: AbortSignal.timeout(timeoutMs) });
    return response.ok;
  } catch {
    return false;
  }
}
