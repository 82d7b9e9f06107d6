/** A baseline server on bare node:http: parses the same JSON and returns the same bytes. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface BareCommand {
  readonly answer: string;
}
export interface BareReply {
  readonly port: number;
}

process.on("message", ({ answer }: BareCommand) => {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { url } = JSON.parse(Buffer.concat(chunks).toString()) as { url: unknown };
      const status = typeof url === "string" ? 200 : 400;
      response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(answer) });
      response.end(answer);
    });
  });
  server.listen(0, "127.0.0.1", () => process.send!({ port: (server.address() as AddressInfo).port }));
});
process.on("disconnect", () => process.exit());
