/** Hits a second with the full contract, against servers that do less. */
import type { Service } from "../test/support/service.ts";
import type { BareQuestion, BareReply } from "./support/bare.ts";
import { megabytes, memoryOfTree, processorMsOfTree } from "./support/figures.ts";
import { requestRate } from "./support/load.ts";
import type { PicturesOrigin } from "./support/pictures-origin.ts";
import { startHelper } from "./support/processes.ts";
import { median, printBar, printTable, spread } from "./support/table.ts";
import { loopP99MsOf, ratios } from "./support/ways.ts";

const rounds = 7;
const warmUpMs = 1500;
const durationMs = 2000;
const connections = 32;

/** Who answers a request about one picture again and again. */
export interface HitServer {
  readonly name: string;
  readonly pid: number;
  readonly url: URL;
  /** Of a POST; else it is a GET. */
  readonly body?: string;
}

interface Rounds {
  readonly rates: number[];
  readonly processorMs: number[];
  /** What was asked of the origin until the answer was remembered. */
  originRequests: number;
}

async function measure(server: HitServer, found: Rounds): Promise<void> {
  const before = processorMsOfTree(server.pid);
  const began = performance.now();
  const rate = await requestRate({ ...server, connections, durationMs });
  const answers = (rate * (performance.now() - began)) / 1000;
  found.rates.push(rate);
  found.processorMs.push((processorMsOfTree(server.pid) - before) / (answers / 1000));
}

/** @param others are measured in the same rounds, beside the bare server that returns the same bytes */
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
  const asked = async () => (await origin.counts()).requests;
  const askedBefore = await asked();
  const first = await fetch(ours.url, { method: "POST", headers: { "content-type": "application/json" }, body });
  const helper = startHelper<BareQuestion, BareReply>("bare");
  const { port } = await helper.ask({ answer: await first.text() });
  const bare = {
    name: "bare node:http, same bytes",
    pid: helper.pid,
    url: new URL(`http://127.0.0.1:${port}/metadata`),
    body,
  };

  const servers = [ours, bare, ...others].map((server) => ({
    server,
    found: { rates: [], processorMs: [], originRequests: 0 },
  }));
  servers[0]!.found.originRequests = (await asked()) - askedBefore;
  for (const { server, found } of servers) {
    const before = await asked();
    await requestRate({ ...server, connections, durationMs: warmUpMs });
    found.originRequests += (await asked()) - before;
  }
  const loopP99Ms: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const { server, found } of servers) {
      if (server === ours) await loopP99MsOf(service.url); // what was measured before is taken away
      await measure(server, found);
      if (server === ours) loopP99Ms.push(await loopP99MsOf(service.url));
    }
  }
  const bareRates = servers[1]!.found.rates;
  const ratio = median(ratios(servers[0]!.found.rates, bareRates));
  printTable(
    `Hits a second, ${connections} connections, ${rounds} rounds in turn: median (least – most)`,
    [
      "server",
      "answers a second",
      "of the bare one's",
      "processor of 1000 answers, ms",
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
  console.log(`\nits event loop was late by ${spread(loopP99Ms, 1)} ms, p99`);
  printBar("hits of the bare server's", ratio, { atLeast: 0.75 });
}
