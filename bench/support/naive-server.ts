/** The naive contender behind `node:http`, in one process: `POST /metadata` with a URL. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { lookUpNaively } from "./naive-lookup.ts";

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { url } = JSON.parse(Buffer.concat(chunks).toString()) as { url: string };
    void lookUpNaively(url).then((metadata) => {
      response.setHeader("content-type", "application/json").end(JSON.stringify(metadata));
    });
  });
});
server.listen(0, "127.0.0.1", () => {
  console.log(`listening at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
