/** `npm run bench:room-delay`: how much later a room hears a message with a picture, by what becomes of the lookup. */
import { setTimeout as after } from "node:timers/promises";
import { freePort, startProsody } from "../test/support/prosody.ts";
import { type Service, startService } from "../test/support/service.ts";
import { connect, metadataOf } from "../test/support/xmpp.ts";
import { printMachine } from "./support/machine.ts";
import { startPicturesOrigin } from "./support/pictures-origin.ts";
import { makePhotos, type Picture } from "./support/pictures.ts";
import { roundsOr } from "./support/rounds.ts";
import { median, printBar, printTable, quantile } from "./support/table.ts";

const rounds = roundsOr(4);
const messagesARound = 10;
const farMessages = 8; // up to two seconds each
const failuresToOpen = 5; // the module's default
// Prosody leaves Nagle's algorithm on, and Bob's system acknowledges what he hears after up to 40 ms: what is said sooner
// waits for that, with or without the module.
const pauseMs = 80;
const far = { delayMs: 100, bytesPerSecond: 250_000 };
const domain = "rooms.localhost";

/** From Alice's saying it to Bob's hearing it. */
interface Heard {
  readonly ms: number;
  readonly told: "the whole" | "the head" | "nothing";
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
  later(() => void oracle.process.kill("SIGKILL")); // also where it is stopped
  const prosody = await startProsody(later, { module: { url: `${oracle.url}/metadata` } });
  const room = prosody.room("lounge");
  const [alice, bob] = await Promise.all([connect(later, prosody), connect(later, prosody)]);
  await alice.enter(room, "alice");
  await bob.enter(room, "bob");
  const change = (what: "load" | "unload" | "reload") =>
    prosody.shell(`module:${what}('muc_media_metadata', '${domain}')`);

  const found = new Map<string, Heard[]>();
  let said = 0;
  async function hear(name: string, count: number, urlOf: () => string): Promise<void> {
    for (let message = 0; message < count; message += 1) {
      const id = `message-${(said += 1)}`;
      const url = urlOf();
      await after(pauseMs);
      const began = performance.now();
      await alice.say(room, id, url);
      const heard = await bob.hear(id);
      const ms = performance.now() - began;
      const [metadata = null] = metadataOf(heard);
      const told = metadata === null ? "nothing" : metadata.blurhash === undefined ? "the head" : "the whole";
      found.set(name, [...(found.get(name) ?? []), { ms, told }]);
    }
  }
  const cold = () => near.coldUrl(small);
  const known = near.coldUrl(small);
  await fetch(`${oracle.url}/metadata?url=${encodeURIComponent(known)}`);
  await hear("warm-up", messagesARound, cold);
  found.clear();

  for (let round = 0; round < rounds; round += 1) {
    await change("unload");
    await hear("no module", messagesARound, cold);
    await change("load");
    await hear("hit", messagesARound, () => known);
    await hear(`miss, ${small.name}`, messagesARound, cold);
    await hear(`miss, ${middle.name}`, messagesARound, () => near.coldUrl(middle));
  }
  const decodeMs = await meanDecodeMs(oracle);
  for (const picture of [small, middle]) {
    await hear(`100 ms away at 2 Mbit/s, ${picture.name}`, farMessages, () => away.coldUrl(picture));
  }

  await oracle.stop();
  for (let round = 0; round < rounds; round += 1) {
    await change("reload"); // which knows of no failures
    await hear("oracle down, breaker closed", failuresToOpen, cold);
    await hear("oracle down, breaker open", messagesARound, cold);
  }
  oracle = await startOracle();
  await change("reload");
  oracle.process.kill("SIGSTOP");
  await hear("oracle hangs, breaker closed", failuresToOpen, cold);
  await hear("oracle hangs, breaker open", messagesARound, cold);
  print(found, decodeMs);
}

/** Of all pictures so far. */
async function meanDecodeMs({ url }: Service): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const read = (what: string) =>
    Number(new RegExp(`^media_oracle_decode_seconds_${what}\\{format="jpeg"\\} (\\S+)$`, "m").exec(metrics)?.[1]);
  return (1000 * read("sum")) / read("count");
}

function print(found: ReadonlyMap<string, readonly Heard[]>, decodeMs: number): void {
  const msOf = (name: string) => found.get(name)!.map(({ ms }) => ms);
  const plainMs = median(msOf("no module"));
  const addedMs = (name: string) => median(msOf(name)) - plainMs;
  printTable(
    "A message with a picture in a room on a real Prosody, from saying to hearing, ms",
    ["", "messages", "median", "p95", "added, median", "told: the whole", "the head", "nothing"],
    [...found].map(([name, heard]) => [
      name,
      String(heard.length),
      median(msOf(name)).toFixed(1),
      quantile(msOf(name), 0.95).toFixed(1),
      addedMs(name).toFixed(1),
      ...["the whole", "the head", "nothing"].map((told) => String(heard.filter((one) => one.told === told).length)),
    ]),
  );
  console.log(`\na decode took ${decodeMs.toFixed(1)} ms in the mean`);
  printBar("hit, ms added", addedMs("hit"), { atMost: 5 }, 1);
  for (const name of [...found.keys()].filter((name) => name.startsWith("miss"))) {
    printBar(`${name}, ms added less the decode`, addedMs(name) - decodeMs, { atMost: 40 }, 1);
  }
  for (const name of ["oracle down, breaker open", "oracle hangs, breaker open"]) {
    printBar(`${name}, ms added`, addedMs(name), { atMost: 5 }, 1);
  }
}

printMachine();
try {
  await benchRoom();
} finally {
  for (const end of ends.reverse()) await end();
}
