/** Origins of a storm: what each says on its port, to as many as ask. */
import { setInterval } from "node:timers";
import type { Socket } from "node:net";
import sharp from "sharp";
import { chunked, crlf, end, flood, ok } from "../../test/support/hostile.ts";
import { type Origin, startOrigin, startSpeakingOrigin } from "../../test/support/origin.ts";

export type StormOriginQuestion = "listen";
/** Where each is, without a path: any path will do, and each path is another URL. */
export interface StormOrigins {
  /** A small picture, at once. */
  readonly healthy: string;
  /** A byte every 100 ms, for ever. */
  readonly dripping: string;
  /** A PDF of 60 MB that stops at 33 MB. */
  readonly stopping: string;
  /** As fast as it is taken, for ever. */
  readonly endless: string;
  /** 100 MB announced, and sent. */
  readonly announced: string;
  /** 1 MB in chunks of one byte. */
  readonly crumbs: string;
  /** 404 with a body that nobody reads. */
  readonly missing: string;
  /** A picture of 1.3 kB that would take hundreds of megabytes. */
  readonly bomb: string;
}

// What each body begins with: of what is no media at all, no more than its head would be read.
const mediaHead = "GIF89a";

const untilTheEnd = () => undefined; // the process ends, and with it all that was opened
const dripEveryMs = 100;

// All addresses of the loopback network: each is another host.
const everyHost = { host: "0.0.0.0" };

const dripping = new Set<Socket>();
setInterval(() => {
  for (const socket of dripping) socket.write("a");
}, dripEveryMs);

/** A chunk for each character, and the last one. */
function crumbs(text: string): string {
  return `${text.replaceAll(/./g, `1${crlf}$&${crlf}`)}0${crlf}${crlf}`;
}

function drip(socket: Socket): void {
  socket.write(`${ok}Content-Length: 100000${crlf}${crlf}${mediaHead}`);
  dripping.add(socket);
  socket.on("close", () => dripping.delete(socket));
}

function stop(socket: Socket): void {
  socket.write(`${ok}Content-Length: 60000000${crlf}${crlf}`);
  socket.write(Buffer.alloc(33_000_000, "%PDF-1.7\n"));
}

async function listen(): Promise<StormOrigins> {
  const picture = await sharp({ create: { width: 64, height: 64, channels: 3, background: "#4080c0" } })
    .png()
    .toBuffer();
  // One colour, so the file is tiny whatever the dimensions.
  const bomb = await sharp({ create: { width: 5000, height: 4000, channels: 3, background: "#4080c0" } })
    .png({ progressive: true })
    .toBuffer();
  const serve = (body: Buffer) => (_request: unknown, response: { end(body: Buffer): unknown }) => response.end(body);
  const origins = {
    healthy: startOrigin(untilTheEnd, serve(picture)),
    dripping: startSpeakingOrigin(untilTheEnd, drip, everyHost),
    stopping: startSpeakingOrigin(untilTheEnd, stop, everyHost),
    endless: startSpeakingOrigin(untilTheEnd, flood(`${ok}${crlf}${mediaHead}`, "a")),
    announced: startSpeakingOrigin(untilTheEnd, flood(`${ok}Content-Length: 100000000${crlf}${crlf}${mediaHead}`, "a")),
    crumbs: startSpeakingOrigin(untilTheEnd, end(chunked + crumbs(mediaHead + "a".repeat(1_000_000)))),
    missing: startSpeakingOrigin(untilTheEnd, end(`HTTP/1.1 404 Not Found${crlf}${crlf}${"a".repeat(70_000)}`)),
    bomb: startOrigin(untilTheEnd, serve(bomb)),
  } satisfies Record<keyof StormOrigins, Promise<Origin>>;
  const urls: Partial<Record<keyof StormOrigins, string>> = {};
  for (const [name, origin] of Object.entries(origins)) {
    urls[name as keyof StormOrigins] = `http://127.0.0.1:${(await origin).port}`;
  }
  return urls as StormOrigins;
}

process.on("message", () => void listen().then((urls) => process.send!(urls)));
process.on("disconnect", () => process.exit());
