/** `npm run bench:room-delay`: delay that a lookup adds to a message with a picture in a room, by result of the lookup. */
import { setTimeout as after } from "node:timers/promises";
import { freePort, startProsody } from "../test/support/prosody.ts";
import { type Service, startService } from "../test/support/service.ts";
import { connect, metadataOf } from "../test/support/xmpp.ts";
import { printMachine } from "./support/machine.ts";
import { startPicturesOrigin } from "./support/pictures-origin.ts";
import { makePhotos, type Picture } from "./support/pictures.ts";
import { roundsOr } from "./support/rounds.ts";
import { median, printGoal, printTable, quantile } from "./support/table.ts";

const rounds = roundsOr(4);
const messagesARound = 10;
const farMessages = 8; // up to two seconds each
const failuresToOpen = 5; // the module's default
// Prosody uses Nagle's algorithm, and Bob's system delays acknowledgements by up to 40 ms. A message sent sooner would wait
// for the acknowledgement, with or without the module.
const pauseMs = 80;
const far = { delayMs: 100, bytesPerSecond: 250_000 };
const domain = "rooms.localhost";

/** A message's time from Alice's sending to Bob's receiving, and the metadata that it had. */
interface Delivery {
  readonly ms: number;
  readonly metadata: "complete" | "header only" | "none";
}

const ends: (() => void | Promise<void>)[] = [];
const later = (end: () => void | Promise<void>) => void ends.push(end);

async function startOrigin(pictures: readonly Picture[], options = {}) {
  const origin = await startPicturesOrigin(pictures, options);
  later(() => origin.stop());
  return origin;
}

async function benchRoom(): Promise<void> {
  const pictures = await makePhotos();
  const [small, middle] = pictures as [Picture, Picture];
  const [near, away] = [await startOrigin(pictures), await startOrigin(pictures, far)];
  const port = await freePort();
  const addresses = [near, away].map(({ allowed }) => allowed.ALLOW_ADDRESSES).join();
  const startOracle = () => startService({ PORT: String(port), ALLOW_ADDRESSES: addresses });
  let oracle = await startOracle();
  later(() => void oracle.process.kill("SIGKILL")); // SIGKILL also ends a stopped process
  const prosody = await startProsody(later, { module: { url: `${oracle.url}/metadata` } });
  const room = prosody.room("lounge");
  const [alice, bob] = await Promise.all([connect(later, prosody), connect(later, prosody)]);
  await alice.enter(room, "alice");
  await bob.enter(room, "bob");
  const change = (action: "load" | "unload" | "reload") =>
    prosody.shell(`module:${action}('muc_media_metadata', '${domain}')`);

  const found = new Map<string, Delivery[]>();
  let sent = 0;
  async function measure(name: string, count: number, urlOf: () => string): Promise<void> {
    for (let message = 0; message < count; message += 1) {
      const id = `message-${(sent += 1)}`;
      const url = urlOf();
      await after(pauseMs);
      const began = performance.now();
      await alice.say(room, id, url);
      const received = await bob.hear(id);
      const ms = performance.now() - began;
      const [element = null] = metadataOf(received);
      const metadata = element === null ? "none" : element.blurhash === undefined ? "header only" : "complete";
      found.set(name, [...(found.get(name) ?? []), { ms, metadata }]);
    }
  }
  const cold = () => near.coldUrl(small);
  const known = near.coldUrl(small);
  await fetch(`${oracle.url}/metadata?url=${encodeURIComponent(known)}`);
  await measure("warm-up", messagesARound, cold);
  found.clear();

  for (let round = 0; round < rounds; round += 1) {
    await change("unload");
    await measure("no module", messagesARound, cold);
    await change("load");
    await measure("hit", messagesARound, () => known);
    await measure(`miss, ${small.name}`, messagesARound, cold);
    await measure(`miss, ${middle.name}`, messagesARound, () => near.coldUrl(middle));
  }
  const decodeMs = await meanDecodeMs(oracle);
  for (const picture of [small, middle]) {
    await measure(`100 ms away at 2 Mbit/s, ${picture.name}`, farMessages, () => away.coldUrl(picture));
  }

  await oracle.stop();
  for (let round = 0; round < rounds; round += 1) {
    await change("reload"); // resets the module's circuit breaker
    await measure("oracle down, breaker closed", failuresToOpen, cold);
    await measure("oracle down, breaker open", messagesARound, cold);
  }
  oracle = await startOracle();
  await change("reload");
  oracle.process.kill("SIGSTOP");
  await measure("oracle hangs, breaker closed", failuresToOpen, cold);
  await measure("oracle hangs, breaker open", messagesARound, cold);
  print(found, decodeMs);
}

/** Returns the mean decode time of all pictures so far, in milliseconds. */
async function meanDecodeMs({ url }: Service): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const read = (suffix: string) =>
    Number(new RegExp(`^media_oracle_decode_seconds_${suffix}\\{format="jpeg"\\} (\\S+)$`, "m").exec(metrics)?.[1]);
  return (1000 * read("sum")) / read("count");
}

function print(found: ReadonlyMap<string, readonly Delivery[]>, decodeMs: number): void {
  const msOf = (name: string) => found.get(name)!.map(({ ms }) => ms);
  const plainMs = median(msOf("no module"));
  const addedMs = (name: string) => median(msOf(name)) - plainMs;
  printTable(
    "A message with a picture in a room on a real Prosody, from sending to receiving, ms",
    ["", "messages", "median", "p95", "added, median", "metadata: complete", "header only", "none"],
    [...found].map(([name, deliveries]) => [
      name,
      String(deliveries.length),
      median(msOf(name)).toFixed(1),
      quantile(msOf(name), 0.95).toFixed(1),
      addedMs(name).toFixed(1),
      ...["complete", "header only", "none"].map((kind) =>
        String(deliveries.filter(({ metadata }) => metadata === kind).length),
      ),
    ]),
  );
  console.log(`\nmean decode time: ${decodeMs.toFixed(1)} ms`);
  printGoal("hit, ms added", addedMs("hit"), { atMost: 5 }, 1);
  for (const name of [...found.keys()].filter((name) => name.startsWith("miss"))) {
    printGoal(`${name}, ms added without the decode`, addedMs(name) - decodeMs, { atMost: 40 }, 1);
  }
  for (const name of ["oracle down, breaker open", "oracle hangs, breaker open"]) {
    printGoal(`${name}, ms added`, addedMs(name), { atMost: 5 }, 1);
  }
}

printMachine();
try {
  await benchRoom();
} finally {
  for (const end of ends.reverse()) await end();
}
