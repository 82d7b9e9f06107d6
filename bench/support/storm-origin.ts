/** Hostile and healthy origins for load tests, each on its own port, for any number of clients. */
import { setInterval } from "node:timers";
import type { Socket } from "node:net";
import sharp from "sharp";
import { chunked, crlf, end, flood, ok } from "../../test/support/hostile.ts";
import { ffmpeg } from "../../test/support/decoder.ts";
import { mediaFiles } from "../../test/support/media-files.ts";
import { type Origin, startOrigin, startSpeakingOrigin } from "../../test/support/origin.ts";

/** `formats`: with a file of each format, which takes seconds to make. */
export type StormOriginCommand = "listen" | "listen with formats";
/** Base URLs of the origins. All paths of an origin return the same response. */
export interface StormOrigins {
  /** Sends a small picture at once. */
  readonly healthy: string;
  /** Slow drip: sends a byte every 100 ms, for ever. */
  readonly dripping: string;
  /** Declares a PDF of 60 MB and stops at 33 MB. */
  readonly stopping: string;
  /** Sends an endless body as fast as the client reads. */
  readonly endless: string;
  /** Declares and sends 100 MB. */
  readonly announced: string;
  /** Sends 1 MB in chunks of one byte. */
  readonly crumbs: string;
  /** Sends a 404 with a body, which the service does not read. */
  readonly missing: string;
  /** Sends a pixel bomb: a picture of 1.3 kB that takes hundreds of megabytes to decode. */
  readonly bomb: string;
  /** Sends a file by the first part of the path: `/0` and so on, in turn. */
  readonly formats: string;
}

// Start of each body. Otherwise the service would sniff that it is no media, and stop reading after the head.
const mediaHead = "GIF89a";

const noCleanUp = () => undefined; // the end of the process closes all connections
const dripEveryMs = 100;

// All addresses of the loopback network: each is another host.
const everyHost = { host: "0.0.0.0" };

const dripping = new Set<Socket>();
setInterval(() => {
  for (const socket of dripping) socket.write("a");
}, dripEveryMs);

/** Encodes a text as one chunk for each character, and the last chunk. */
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

async function makeFormats(): Promise<Buffer[]> {
  const possible = Object.values(mediaFiles).filter(({ needsFfmpeg }) => !needsFfmpeg || ffmpeg);
  const files: Buffer[] = [];
  for (const { make } of possible) files.push(await make());
  return files;
}

async function listen(command: StormOriginCommand): Promise<StormOrigins> {
  const files = command === "listen with formats" ? await makeFormats() : [];
  const picture = await sharp({ create: { width: 64, height: 64, channels: 3, background: "#4080c0" } })
    .png()
    .toBuffer();
  // One colour, so the file is tiny despite its dimensions.
  const bomb = await sharp({ create: { width: 5000, height: 4000, channels: 3, background: "#4080c0" } })
    .png({ progressive: true })
    .toBuffer();
  const serve = (body: Buffer) => (_request: unknown, response: { end(body: Buffer): unknown }) => response.end(body);
  const origins = {
    healthy: startOrigin(noCleanUp, serve(picture)),
    dripping: startSpeakingOrigin(noCleanUp, drip, everyHost),
    stopping: startSpeakingOrigin(noCleanUp, stop, everyHost),
    endless: startSpeakingOrigin(noCleanUp, flood(`${ok}${crlf}${mediaHead}`, "a")),
    announced: startSpeakingOrigin(noCleanUp, flood(`${ok}Content-Length: 100000000${crlf}${crlf}${mediaHead}`, "a")),
    crumbs: startSpeakingOrigin(noCleanUp, end(chunked + crumbs(mediaHead + "a".repeat(1_000_000)))),
    missing: startSpeakingOrigin(noCleanUp, end(`HTTP/1.1 404 Not Found${crlf}${crlf}${"a".repeat(70_000)}`)),
    bomb: startOrigin(noCleanUp, serve(bomb)),
    formats: startOrigin(noCleanUp, ({ url = "" }, response) => {
      response.end(files[Number(url.split("/")[1]) % files.length]);
    }),
  } satisfies Record<keyof StormOrigins, Promise<Origin>>;
  const urls: Partial<Record<keyof StormOrigins, string>> = {};
  for (const [name, origin] of Object.entries(origins)) {
    urls[name as keyof StormOrigins] = `http://127.0.0.1:${(await origin).port}`;
  }
  return urls as StormOrigins;
}

process.on("message", ({ command }: { command: StormOriginCommand }) => {
  void listen(command).then((urls) => process.send!(urls));
});
process.on("disconnect", () => process.exit());
