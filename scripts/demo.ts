/**
 * Demonstrates the whole system on one machine, without the internet: a media origin, the built oracle, a real Prosody, and
 * two people in a room. Prints the stanza as sent and as received, and removes all its files and processes.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { decode } from "blurhash";
import { serveConverse } from "../test/support/converse.ts";
import { startOrigin } from "../test/support/origin.ts";
import { hasProsody, type OnFinished, startProsody } from "../test/support/prosody.ts";
import { startService } from "../test/support/service.ts";
import { connect, type Element, metadataOf, oob, xml } from "../test/support/xmpp.ts";
import { paintSummit } from "./summit.ts";
import { ensureDebianPackages } from "./debian.ts";

const { values: flags } = parseArgs({
  options: {
    // In colour on a terminal, or with --colour.
    colour: { type: "boolean", default: process.stdout.isTTY },
    // Keeps the room open for a browser.
    browser: { type: "boolean", default: false },
  },
});

const dim = (text: string): string => `\x1b[2m${text}\x1b[22m`;
const bold = (text: string): string => `\x1b[1m${text}\x1b[22m`;
const green = (text: string): string => `\x1b[32m${text}\x1b[39m`;

function print(text = ""): void {
  console.log(flags.colour ? text : stripVTControlCharacters(text));
}

function heading(text: string): void {
  print(`\n${bold(text)}`);
}

/** Formats a stanza with one element a line, indented; elements added by the room are green. */
function formatStanza(element: Element, depth = 1, added = false): string[] {
  const indent = "  ".repeat(depth);
  const isAdded = added || element.name === "metadata";
  const paint = (line: string): string => (isAdded ? green(line) : line);
  const attributes = Object.entries(element.attrs)
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([name, value]) => ` ${name}="${value ?? ""}"`)
    .join("");
  const children = element.getChildElements();
  if (children.length === 0) {
    const text = element.text();
    const closed = text === "" ? "/>" : `>${text}</${element.name}>`;
    return [paint(`${indent}<${element.name}${attributes}${closed}`)];
  }
  return [
    paint(`${indent}<${element.name}${attributes}>`),
    ...children.flatMap((child) => formatStanza(child, depth + 1, isAdded)),
    paint(`${indent}</${element.name}>`),
  ];
}

/** Renders a BlurHash in the terminal, two pixels a character: the placeholder that a client can show before any download. */
function renderBlurhash(blurhash: string, columns: number, rows: number): string {
  const pixels = decode(blurhash, columns, rows * 2);
  const colourAt = (x: number, y: number): string =>
    pixels
      .subarray((y * columns + x) * 4)
      .slice(0, 3)
      .join(";");
  const line = (y: number): string =>
    Array.from({ length: columns }, (_, x) => `\x1b[38;2;${colourAt(x, y)};48;2;${colourAt(x, y + 1)}m▀`).join("");
  return Array.from({ length: rows }, (_, row) => `  ${line(row * 2)}\x1b[0m`).join("\n");
}

function groupMessage(room: string, id: string, body: string, ...more: Element[]): Element {
  return xml("message", { to: room, id, type: "groupchat" }, xml("body", {}, body), ...more);
}

function median(values: number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!;
}

async function play(onFinished: OnFinished): Promise<void> {
  const summit = await paintSummit();
  const origin = await startOrigin(onFinished, (_request, response) => {
    response.writeHead(200, { "content-type": "image/jpeg", "content-length": summit.length }).end(summit);
  });
  const oracle = await startService({ ALLOW_ADDRESSES: `127.0.0.1/32:${origin.port}` });
  onFinished(async () => void (await oracle.stop()));
  const endpoint = `${oracle.url}/metadata`;
  const prosody = await startProsody(onFinished, { module: { url: endpoint } });
  const version = /\d+\.\d+[^\s)]*/.exec(await prosody.shell("server:version()"))?.[0] ?? "";
  const room = prosody.room("lounge");
  const [alice, bob] = await Promise.all([connect(onFinished, prosody), connect(onFinished, prosody)]);
  await alice.enter(room, "alice");
  await bob.enter(room, "bob");

  heading("One machine, no internet");
  print(`  media origin   ${origin.url("/")}   with a picture of 1600 x 1000, ${summit.length} bytes`);
  print(`  media-oracle   ${oracle.url}/   allowed to fetch from that address, which is not public`);
  print(`  Prosody ${version.padEnd(6)} 127.0.0.1:${prosody.c2sPort}   with mod_muc_media_metadata on its rooms`);
  print(`  alice and bob  in ${room}`);

  const url = origin.url("/a/summit.jpg");
  /** @returns the stanza that bob received, and the milliseconds from alice's sending to bob's receiving */
  const post = async (stanza: Element): Promise<{ received: Element; tookMs: number }> => {
    const started = performance.now();
    await alice.send(stanza);
    const received = await bob.hear(stanza.attrs.id!);
    return { received, tookMs: performance.now() - started };
  };
  const plain = (id: string): Element => groupMessage(room, id, "Good morning!");
  const picture = (id: string): Element => groupMessage(room, id, url, oob(url));
  for (const id of ["one", "two", "three"]) await post(plain(id)); // warm-up
  const sent = picture("summit");
  const first = await post(sent);
  const plainTimes: number[] = [];
  const pictureTimes: number[] = [];
  for (let round = 0; round < 9; round += 1) {
    plainTimes.push((await post(plain(`plain-${round}`))).tookMs);
    pictureTimes.push((await post(picture(`picture-${round}`))).tookMs);
  }
  const [plainMs, againMs] = [median(plainTimes), median(pictureTimes)];

  heading("Alice sends");
  print(formatStanza(sent).join("\n"));
  heading("Bob receives");
  print(formatStanza(first.received).join("\n"));
  const [metadata] = metadataOf(first.received);
  if (!metadata?.blurhash) throw new Error("the message came without metadata");
  if (flags.colour) {
    heading("Placeholder that bob's app can show before any download");
    print(renderBlurhash(metadata.blurhash, 32, 10));
  }

  heading("From alice to bob");
  const row = (label: string, tookMs: number, note: string): void =>
    print(`  ${label.padEnd(34)} ${tookMs.toFixed(1).padStart(6)} ms   ${dim(note)}`);
  const added = (tookMs: number): string => `the lookup added ${Math.max(0, tookMs - plainMs).toFixed(1)} ms`;
  const requests = origin.requests === 1 ? "once" : `${origin.requests} times`;
  row("a message without a URL", plainMs, "median of 9; no lookup");
  row("the picture, never seen before", first.tookMs, added(first.tookMs));
  row(
    "the same picture again",
    againMs,
    `median of 9; ${added(againMs)}; the origin was requested ${requests} in total`,
  );

  heading("The same request with curl");
  const requestBody = JSON.stringify({ url });
  print(`  curl -s ${endpoint} -H 'Content-Type: application/json' -d '${requestBody}'`);
  print();
  print(JSON.stringify(JSON.parse(await curl(endpoint, requestBody)), null, 2).replace(/^/gm, "  "));

  if (!flags.browser) return;
  const page = await serveConverse(onFinished, prosody, { room, nick: "carol", hasPlugin: true });
  heading("The room in a browser (Converse.js with the plugin of clients/converse-media-metadata)");
  print(`  ${page}   until Ctrl-C`);
  await once(process, "SIGINT");
}

async function curl(endpoint: string, body: string): Promise<string> {
  const contentType = "Content-Type: application/json";
  const { status, stdout } = spawnSync("curl", ["-s", endpoint, "-H", contentType, "-d", body], { encoding: "utf8" });
  if (status === 0) return stdout;
  print(dim("  (curl is not installed: sent with fetch)"));
  const headers = { "content-type": "application/json" };
  return (await fetch(endpoint, { method: "POST", headers, body })).text();
}

const cleanUps: (() => void | Promise<void>)[] = [];
try {
  if (!hasProsody()) ensureDebianPackages(["prosody"]);
  await play((cleanUp) => void cleanUps.unshift(cleanUp));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  for (const cleanUp of cleanUps) await cleanUp();
}
