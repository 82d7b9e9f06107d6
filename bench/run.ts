/** `npm run bench`: measures the README's performance figures in one run. */
import { startService } from "../test/support/service.ts";
import { benchCoalescing } from "./coalescing.ts";
import { benchCold } from "./cold.ts";
import { benchHits } from "./hits.ts";
import { printMachine } from "./support/machine.ts";
import { startPicturesOrigin } from "./support/pictures-origin.ts";
import { makePictures } from "./support/pictures.ts";

const pictures = await makePictures();
printMachine();
const origin = await startPicturesOrigin(pictures);
const slowOrigin = await startPicturesOrigin(pictures, { delayMs: 100 });
const service = await startService({
  ALLOW_ADDRESSES: [origin, slowOrigin].map(({ allowed }) => allowed.ALLOW_ADDRESSES).join(),
});
try {
  await benchHits(service, origin, origin.coldUrl(pictures[0]!));
  await benchCold(service, origin, pictures);
  const requests = async () => (await slowOrigin.counts()).requests;
  await benchCoalescing(service, slowOrigin.coldUrl(pictures[0]!), requests);
} finally {
  await service.stop();
  for (const each of [origin, slowOrigin]) each.stop();
}
