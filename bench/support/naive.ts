/** The naive contender: `fetch`, sharp and npm `blurhash` behind node:http, without SSRF guard, limits, sandbox or cache. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { encode } from "blurhash";
import sharp from "sharp";

export interface NaiveReply {
  readonly port: number;
}

async function describe(url: string) {
  const response = await fetch(url);
  const body = Buffer.from(await response.arrayBuffer());
  const image = sharp(body);
  const { width, height } = await image.metadata();
  const { data, info } = await image
    .raw()
    .ensureAlpha()
    .resize(32, 32, { fit: "inside" })
    .toBuffer({ resolveWithObject: true });
  const blurhash = encode(new Uint8ClampedArray(data), info.width, info.height, 4, 3);
  return { bytes: body.byteLength, type: response.headers.get("content-type"), width, height, blurhash };
}

const server = createServer((request, response) => {
  void json(request)
    .then((question) => describe((question as { url: string }).url))
    .then(
      (metadata) => response.setHeader("content-type", "application/json").end(JSON.stringify(metadata)),
      (error: unknown) => response.writeHead(500).end(JSON.stringify(String(error))),
    );
});
process.on("message", () => {
  server.listen(0, "127.0.0.1", () => process.send!({ port: (server.address() as AddressInfo).port }));
});
process.on("disconnect", () => process.exit());
