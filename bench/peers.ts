/** `npm run bench:peers`: compares other tools with the service, for the same pictures and in the same run. */
import { type Service, startService } from "../test/support/service.ts";
import { ensureDebianPackages } from "../scripts/debian.ts";
import { benchHits, type HitServer } from "./hits.ts";
import { megabytes } from "./support/figures.ts";
import { printMachine } from "./support/machine.ts";
import { ensurePeers } from "./support/peer.ts";
import { type PicturesOrigin, startPicturesOrigin } from "./support/pictures-origin.ts";
import { makeFormats, makePhotos, type Picture } from "./support/pictures.ts";
import { roundsOr } from "./support/rounds.ts";
import { startIframely, startNginx } from "./support/servers.ts";
import { printTable, spread } from "./support/table.ts";
import {
  createIframelyContender,
  createNaiveContender,
  createProcessContender,
  createServiceContender,
  compare,
  type Comparison,
  peakMemory,
  type Contender,
} from "./support/contenders.ts";

const rounds = roundsOr(3);
const concurrency = 8;
// A nearby host. With an immediate origin, the whole body would be sent before a reader can stop early.
const nearby = { delayMs: 20, bytesPerSecond: 12_500_000 };
const unknownToIframely = ["image/webp"];

type Measured = Comparison & { readonly peak: number };

const header = [
  "picture",
  "contender",
  `lookups a second, ${concurrency} concurrent`,
  "latency of one lookup, ms",
  "origin: requests",
  "origin: kB",
  "CPU, ms",
  "peak memory, MB",
  "event loop p99, ms",
];

function row({ name }: Picture, contender: Contender, figures: Measured): string[] {
  const { rates, latenciesMs, originRequests, originBytes, processorMs, peak, loopP99Ms } = figures;
  return [
    name,
    contender.name,
    spread(rates),
    spread(latenciesMs, 1),
    originRequests.toFixed(1),
    (originBytes / 1000).toFixed(0),
    spread(processorMs, 1),
    megabytes(peak),
    loopP99Ms === null ? "–" : loopP99Ms.toFixed(1),
  ];
}

/** Measures all contenders with one picture; restarts them for each picture, so that their memory is comparable. */
async function rowsOf(
  origin: PicturesOrigin,
  picture: Picture,
  start: (service: Service) => Promise<readonly Contender[]> | readonly Contender[],
) {
  const service = await startService(origin.allowed);
  const contenders = await start(service);
  const comparisons = await compare(contenders, origin, picture, { rounds, concurrency });
  const rows: string[][] = [];
  for (const [index, contender] of contenders.entries()) {
    const { bytes: peak } = await peakMemory(contender, origin.coldUrls(picture, picture.lookupsARound), concurrency);
    rows.push(row(picture, contender, { ...comparisons[index]!, peak }));
    await contender.stop();
  }
  await service.stop();
  return rows;
}

async function benchServers(): Promise<void> {
  const pictures = await makePhotos();
  const [, picture] = pictures;
  const origin = await startPicturesOrigin(pictures);
  const service = await startService(origin.allowed);
  const [nginx, iframely] = [await startNginx(), await startIframely()];
  const target = origin.coldUrl(picture!);
  const { pathname, port } = new URL(target);
  const get = `?url=${encodeURIComponent(target)}`;
  const others: HitServer[] = [
    { name: "nginx: image_filter size, proxy_cache", pid: nginx.pid, url: new URL(`/${port}${pathname}`, nginx.url) },
    { name: "iframely", pid: iframely.pid, url: new URL(`/iframely${get}`, iframely.url) },
  ];
  await benchHits(service, origin, target, others);
  for (const each of [service, nginx, iframely]) await each.stop();
  origin.stop();
}

async function benchWhole(): Promise<void> {
  const pictures = await makeFormats();
  const origin = await startPicturesOrigin(pictures);
  const rows: string[][] = [];
  for (const picture of pictures) {
    const contenders = async (service: Service) => [
      createServiceContender(service),
      await createNaiveContender(),
      createProcessContender("blurhash-from-url", "peer-blurhash"),
      createProcessContender("ipx, w_32, no hash", "peer-ipx"),
    ];
    rows.push(...(await rowsOf(origin, picture, contenders)));
  }
  origin.stop();
  printTable(
    `Cold lookups, ${rounds} alternating rounds: median (minimum – maximum); figures for one lookup`,
    header,
    rows,
  );
}

async function benchHeads(): Promise<void> {
  const pictures = await makeFormats();
  const origin = await startPicturesOrigin(pictures, nearby);
  const iframely = await startIframely();
  const rows: string[][] = [];
  for (const picture of pictures) {
    const contenders = (service: Service) => [
      createServiceContender(service, ["type", "width", "height"]),
      createProcessContender("probe-image-size", "peer-probe"),
      ...(unknownToIframely.includes(picture.type) ? [] : [createIframelyContender(iframely)]),
    ];
    rows.push(...(await rowsOf(origin, picture, contenders)));
  }
  origin.stop();
  await iframely.stop();
  printTable("Type and dimensions only, from an origin 20 ms away at 100 Mbit/s; figures for one lookup", header, rows);
}

ensureDebianPackages(["nginx", "libnginx-mod-http-image-filter"]);
ensurePeers();
printMachine();
await benchServers();
await benchWhole();
await benchHeads();
