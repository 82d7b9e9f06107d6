/** Origin requests for many identical requests at once. */
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
    `${callers} identical requests at once, origin answers after 100 ms`,
    ["answers", "different answers", "origin requests"],
    [[String(answers.length), String(new Set(answers).size), String((await originRequests()) - before)]],
  );
}
