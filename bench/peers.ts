/** `npm run bench:peers`: what others take for the same pictures, in the same run. */
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
  byIframely,
  byNaive,
  byProcess,
  byService,
  compare,
  type Comparison,
  peakMemory,
  type Way,
} from "./support/ways.ts";

const rounds = roundsOr(3);
const atOnce = 8;
// A host nearby. How much of a body is sent before its reader has had enough is seen only where it takes its time.
const nearby = { delayMs: 20, bytesPerSecond: 12_500_000 };
const unknownToIframely = ["image/webp"];

type Measured = Comparison & { readonly peak: number };

const header = [
  "picture",
  "by",
  `a second, ${atOnce} at once`,
  "latency alone, ms",
  "origin: requests",
  "origin: kB",
  "processor, ms",
  "memory at most, MB",
  "event loop p99, ms",
];

function row({ name }: Picture, way: Way, figures: Measured): string[] {
  const { rates, latenciesMs, originRequests, originBytes, processorMs, peak, loopP99Ms } = figures;
  return [
    name,
    way.name,
    spread(rates),
    spread(latenciesMs, 1),
    originRequests.toFixed(1),
    (originBytes / 1000).toFixed(0),
    spread(processorMs, 1),
    megabytes(peak),
    loopP99Ms === null ? "–" : loopP99Ms.toFixed(1),
  ];
}

/** All start anew for each picture, so that nobody's memory is what another picture left. */
async function rowsOf(
  origin: PicturesOrigin,
  picture: Picture,
  start: (service: Service) => Promise<readonly Way[]> | readonly Way[],
) {
  const service = await startService(origin.allowed);
  const ways = await start(service);
  const comparisons = await compare(ways, origin, picture, { rounds, atOnce });
  const rows: string[][] = [];
  for (const [index, way] of ways.entries()) {
    const { bytes: peak } = await peakMemory(way, origin.coldUrls(picture, picture.lookupsARound), atOnce);
    rows.push(row(picture, way, { ...comparisons[index]!, peak }));
    await way.stop();
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
    { name: "media-oracle, GET", pid: service.process.pid!, url: new URL(`/metadata${get}`, service.url) },
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
    const ways = (service: Service) => [
      byService(service),
      byNaive(),
      byProcess("blurhash-from-url", "peer-blurhash"),
      byProcess("ipx, w_32, no hash", "peer-ipx"),
    ];
    rows.push(...(await rowsOf(origin, picture, ways)));
  }
  origin.stop();
  printTable(`Cold lookups, ${rounds} rounds in turn: median (least – most); figures of one lookup`, header, rows);
}

async function benchHeads(): Promise<void> {
  const pictures = await makeFormats();
  const origin = await startPicturesOrigin(pictures, nearby);
  const iframely = await startIframely();
  const rows: string[][] = [];
  for (const picture of pictures) {
    const ways = (service: Service) => [
      byService(service, ["type", "width", "height"]),
      byProcess("probe-image-size", "peer-probe"),
      ...(unknownToIframely.includes(picture.type) ? [] : [byIframely(iframely)]),
    ];
    rows.push(...(await rowsOf(origin, picture, ways)));
  }
  origin.stop();
  await iframely.stop();
  printTable("Type and size alone, from an origin 20 ms away at 100 Mbit/s; figures of one lookup", header, rows);
}

ensureDebianPackages(["nginx", "libnginx-mod-http-image-filter"]);
ensurePeers();
printMachine();
await benchServers();
await benchWhole();
await benchHeads();
