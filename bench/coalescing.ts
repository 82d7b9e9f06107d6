/** Request coalescing: number of origin requests for many identical concurrent requests. */
import type { Service } from "../test/support/service.ts";
import { printTable } from "./support/table.ts";

const callers = 1000;

export async function benchCoalescing(service: Service, target: string, originRequests: () => Promise<number>) {
  const before = await originRequests();
  const body = JSON.stringify({ url: target });
  const answers = await Promise.all(
    Array.from({ length: callers }, async () => {
      const headers = { "content-type": "application/json" };
      const reply = await fetch(`${service.url}/metadata`, { method: "POST", headers, body });
      return reply.text();
    }),
  );
  printTable(
    `${callers} identical concurrent requests, origin responds after 100 ms`,
    ["responses", "different responses", "origin requests"],
    [[String(answers.length), String(new Set(answers).size), String((await originRequests()) - before)]],
  );
}
