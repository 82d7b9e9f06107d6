/** Throughput of cache hits with the full contract, compared with servers that do less. */
import type { Service } from "../test/support/service.ts";
import type { BareCommand, BareReply } from "./support/bare.ts";
import { megabytes, memoryOfTree, processorMsOfTree } from "./support/figures.ts";
import { requestRate } from "./support/load.ts";
import type { PicturesOrigin } from "./support/pictures-origin.ts";
import { startHelper } from "./support/processes.ts";
import { median, printGoal, printTable, spread } from "./support/table.ts";
import { loopP99MsOf, ratios } from "./support/contenders.ts";

const rounds = 7;
const warmUpMs = 1500;
const durationMs = 2000;
const connections = 32;

/** A server under test, and the request that it serves repeatedly. */
export interface HitServer {
  readonly name: string;
  readonly pid: number;
  readonly url: URL;
  /** Body of a POST request; without it, the request is a GET. */
  readonly body?: string;
  /** The `If-None-Match` header, for responses without a body. */
  readonly etag?: string;
}

interface Measurements {
  readonly rates: number[];
  readonly processorMs: number[];
  /** Number of origin requests until the response was cached. */
  originRequests: number;
}

async function measure(server: HitServer, found: Measurements): Promise<void> {
  const before = processorMsOfTree(server.pid);
  const began = performance.now();
  const rate = await requestRate({ ...server, connections, durationMs });
  const answers = (rate * (performance.now() - began)) / 1000;
  found.rates.push(rate);
  found.processorMs.push((processorMsOfTree(server.pid) - before) / (answers / 1000));
}

/** @param others further servers, measured in the same rounds as the service and the bare server */
export async function benchHits(
  service: Service,
  origin: PicturesOrigin,
  target: string,
  others: readonly HitServer[] = [],
): Promise<void> {
  const body = JSON.stringify({ url: target });
  const ours = {
    name: "media-oracle, full contract",
    pid: service.process.pid!,
    url: new URL("/metadata", service.url),
    body,
  };
  const countRequests = async () => (await origin.counts()).requests;
  const requestsBefore = await countRequests();
  const first = await fetch(ours.url, { method: "POST", headers: { "content-type": "application/json" }, body });
  const helper = startHelper<BareCommand, BareReply>("bare");
  const { port } = await helper.send({ answer: await first.text() });
  const bare = {
    name: "bare node:http, same bytes",
    pid: helper.pid,
    url: new URL(`http://127.0.0.1:${port}/metadata`),
    body,
  };

  const get = {
    name: "media-oracle, GET",
    pid: ours.pid,
    url: new URL(`/metadata?url=${encodeURIComponent(target)}`, service.url),
  };
  const etag = (await fetch(get.url)).headers.get("etag")!;
  const notModified = { ...get, name: "media-oracle, GET with ETag: 304", etag };

  const servers = [ours, bare, get, notModified, ...others].map((server) => ({
    server,
    found: { rates: [], processorMs: [], originRequests: 0 },
  }));
  servers[0]!.found.originRequests = (await countRequests()) - requestsBefore;
  for (const { server, found } of servers) {
    const before = await countRequests();
    await requestRate({ ...server, connections, durationMs: warmUpMs });
    found.originRequests += (await countRequests()) - before;
  }
  const loopP99Ms: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const { server, found } of servers) {
      if (server === ours) await loopP99MsOf(service.url); // resets the statistics
      await measure(server, found);
      if (server === ours) loopP99Ms.push(await loopP99MsOf(service.url));
    }
  }
  const bareRates = servers[1]!.found.rates;
  printTable(
    `Cache hits a second, ${connections} connections, ${rounds} alternating rounds: median (minimum – maximum)`,
    [
      "server",
      "responses a second",
      "ratio to bare server",
      "CPU for 1000 responses, ms",
      "memory, MB",
      "origin requests",
    ],
    servers.map(({ server, found: { rates, processorMs, originRequests } }) => [
      server.name,
      spread(rates),
      spread(ratios(rates, bareRates), 2),
      spread(processorMs),
      megabytes(memoryOfTree(server.pid)),
      server === bare ? "–" : String(originRequests),
    ]),
  );
  helper.stop();
  console.log(`\nevent loop lag of media-oracle, p99: ${spread(loopP99Ms, 1)} ms`);
  const [posted, , got, confirmed] = servers.map(({ found }) => found);
  for (const [name, { rates }] of [
    ["POST", posted!],
    ["GET", got!],
  ] as const) {
    printGoal(`hits, ${name}, ratio to the bare server`, median(ratios(rates, bareRates)), { atLeast: 0.75 });
  }
  const saved = median(confirmed!.processorMs) / median(got!.processorMs);
  printGoal("CPU time of a 304, ratio to that of a GET with its body", saved, { atMost: 1 });
}
