/**
 * Runs in a network namespace without IPv4 routes, whose NAT64 gateway is a loopback address: 64:ff9b::1.2.3.4.
 *
 * Prints the outcome of each lookup as JSON.
 */
import { createResolver } from "../../../src/fetch/resolver.ts";
import { createFetcher } from "../../support/fetch.ts";
import { startNameServer } from "../../support/name-server.ts";
import { startOrigin } from "../../support/origin.ts";

const cleanUps: (() => void | Promise<void>)[] = [];
const onEnd = (cleanUp: () => void | Promise<void>) => void cleanUps.push(cleanUp);

const origin = await startOrigin(onEnd, (_request, response) => response.end("abc"), { host: "::" });
const manyV4 = ["1.2.3.4", "1.2.3.5", "1.2.3.6", "1.2.3.7", "1.2.3.8"];
const zone: Record<string, readonly string[]> = {
  "v4only.example.net": ["1.2.3.4", "64:ff9b::1.2.3.4"],
  "many.example.net": [...manyV4, ...manyV4.map((address) => `64:ff9b::${address}`)],
  "synthesized.example.net": ["64:ff9b::1.2.3.4"],
  "private.example.net": ["64:ff9b::10.0.0.1"],
};
const { servers } = await startNameServer(onEnd, (name, family) =>
  (zone[name] ?? []).filter((address) => address.includes(":") === (family === "AAAA")),
);
const { outcome } = createFetcher({ allowAddresses: [], resolve: createResolver({ timeoutMs: 2000, servers }) });
const outcomes: Record<string, string> = {};
for (const name of Object.keys(zone)) outcomes[name] = await outcome(`http://${name}:${origin.port}/`);
outcomes.literal = await outcome(`http://[64:ff9b::102:304]:${origin.port}/`);
console.log(JSON.stringify({ outcomes, connections: origin.connections }));
for (const cleanUp of cleanUps) await cleanUp();
