/** `npm run bench`: what the README says of speed, in one run. */
import { cpus } from "node:os";
import sharp from "sharp";
import { startService } from "../test/support/service.ts";
import { benchCoalescing } from "./coalescing.ts";
import { benchCold } from "./cold.ts";
import { benchHits } from "./hits.ts";
import type { OriginQuestion, OriginReply } from "./support/origin.ts";
import { startHelper } from "./support/processes.ts";

/** A picture with the detail of a photo: noise that was enlarged, so that neither decoder nor coder has it easy. */
async function makePhoto(): Promise<Buffer> {
  const size = { width: 1600, height: 1200 };
  const noise = {
    channels: 3 as const,
    background: "gray",
    noise: { type: "gaussian" as const, mean: 128, sigma: 60 },
  };
  const coarse = await sharp({ create: { width: 200, height: 150, ...noise } })
    .png()
    .toBuffer();
  return sharp(coarse).resize(size).jpeg({ quality: 85 }).toBuffer();
}

const photo = await makePhoto();
const startOrigin = async (delayMs: number) => {
  const helper = startHelper<OriginQuestion, OriginReply>("origin");
  const reply = await helper.ask({ listen: { body: photo.toString("base64"), type: "image/jpeg", delayMs } });
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
const origin = await startOrigin(0);
const slowOrigin = await startOrigin(100);
const service = await startService({
  ALLOW_ADDRESSES: `127.0.0.1:${origin.port},127.0.0.1:${slowOrigin.port}`,
  LOG_LEVEL: "info",
});
try {
  await benchHits(service, `${origin.url}/hit.jpg`);
  await benchCold(service, origin.url, `a 1600 x 1200 JPEG of ${Math.round(photo.byteLength / 1000)} kB`);
  await benchCoalescing(service, `${slowOrigin.url}/shared.jpg`, () => slowOrigin.requests());
} finally {
  await service.stop();
  origin.stop();
  slowOrigin.stop();
}
