/** `npm run bench`: what the README says of speed, in one run. */
import { cpus } from "node:os";
import { startService } from "../test/support/service.ts";
import { benchCoalescing } from "./coalescing.ts";
import { benchCold } from "./cold.ts";
import { benchHits } from "./hits.ts";
import { type Picture, makePictures } from "./support/pictures.ts";
import type { OriginQuestion, OriginReply } from "./support/origin.ts";
import { startHelper } from "./support/processes.ts";

const pictures = await makePictures();
const startOrigin = async ({ body, type }: Picture, delayMs: number) => {
  const helper = startHelper<OriginQuestion, OriginReply>("origin");
  const reply = await helper.ask({ listen: { body: body.toString("base64"), type, delayMs } });
  if (!("port" in reply)) throw new Error("the origin did not listen");
  const requests = async () => {
    const counted = await helper.ask({ requests: true });
    if (!("requests" in counted)) throw new Error("the origin did not count");
    return counted.requests;
  };
  return { port: reply.port, url: `http://127.0.0.1:${reply.port}`, requests, stop: () => helper.stop() };
};

const [cpu] = cpus();
console.log(`${cpus().length} x ${cpu?.model ?? "unknown"}, Node ${process.version}; loopback only`);
const origins = await Promise.all(pictures.map((picture) => startOrigin(picture, 0)));
const slowOrigin = await startOrigin(pictures[0]!, 100);
const service = await startService({
  ALLOW_ADDRESSES: [...origins, slowOrigin].map(({ port }) => `127.0.0.1:${port}`).join(),
});
try {
  await benchHits(service, `${origins[0]!.url}/hit.jpg`);
  await benchCold(
    service,
    pictures.map((picture, index) => ({ ...picture, url: origins[index]!.url })),
  );
  await benchCoalescing(service, `${slowOrigin.url}/shared.jpg`, () => slowOrigin.requests());
} finally {
  await service.stop();
  for (const origin of [...origins, slowOrigin]) origin.stop();
}
