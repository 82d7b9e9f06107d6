/**
 * Serves one picture under every path, and counts. No two bodies are the same: a number follows each, past the picture's own
 * end, or the second would be known by its bytes.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export type OriginQuestion = { listen: { body: string; type: string; delayMs: number } } | { requests: true };
export type OriginReply = { port: number } | { requests: number };

let requests = 0;

process.on("message", (question: OriginQuestion) => {
  if ("requests" in question) {
    process.send!({ requests });
    return;
  }
  const { type, delayMs } = question.listen;
  const body = Buffer.from(question.listen.body, "base64");
  const server = createServer((_request, response) => {
    requests += 1;
    const number = String(requests).padStart(9);
    setTimeout(() => {
      response.writeHead(200, { "content-type": type, "content-length": body.byteLength + number.length });
      response.write(body);
      response.end(number);
    }, delayMs);
  });
  server.listen(0, "127.0.0.1", () => process.send!({ port: (server.address() as AddressInfo).port }));
});
process.on("disconnect", () => process.exit());
