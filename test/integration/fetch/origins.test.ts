import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OracleError } from "../../../src/domain/errors.ts";
import type { WarningCode } from "../../../src/domain/metadata.ts";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { createCachedService } from "../../support/cached-service.ts";
import { startDecoder } from "../../support/decoder.ts";
import { heads } from "../../support/heads.ts";
import { noise as pixels } from "../../support/images.ts";
import { startSpeakingOrigin } from "../../support/origin.ts";

/** A response as an odd origin sends it, and the answer of the oracle. For the next report of one, add a row. */
type Row = readonly [name: string, response: string | Buffer, expected: object];

const picture = heads.png;
const noise = await sharp(pixels(400, 300, 1), { raw: { width: 400, height: 300, channels: 4 } })
  .png()
  .toBuffer();
const body = picture.toString("latin1");
const bytes = picture.length;

const ok = "HTTP/1.1 200 OK\r\n";
const type = "Content-Type: image/png\r\n";
const length = `Content-Length: ${bytes}\r\n`;
const chunks = `${bytes.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const chunked = "Transfer-Encoding: chunked\r\n";
const interim = (count: number, status = "103 Early Hints") => `HTTP/1.1 ${status}\r\nLink: </a>\r\n\r\n`.repeat(count);
const filler = (kib: number) => `X-Filler: ${"x".repeat(1012)}\r\n`.repeat(kib);

const coded = (coding: string, bytes: Buffer) =>
  `${ok}Content-Encoding: ${coding}\r\n${type}Content-Length: ${bytes.length}\r\n\r\n${bytes.toString("latin1")}`;
const codedInChunks = (coding: string, bytes: Buffer) =>
  `${ok}Content-Encoding: ${coding}\r\n${type}${chunked}\r\n${bytes.length.toString(16)}\r\n${bytes.toString("latin1")}\r\n0\r\n\r\n`;
const half = (bytes: Buffer) => bytes.subarray(0, bytes.length / 2);
const cutCoded = (coding: string, bytes: Buffer) => coded(coding, bytes).slice(0, -bytes.length / 2);
const broken = (bytes: Buffer) => Buffer.concat([half(bytes), Buffer.alloc(bytes.length / 2, 0xff)]);
const part = (from: number, to: number, total: number | "*" = bytes, file = picture) =>
  `HTTP/1.1 206 Partial Content\r\n${type}Content-Range: bytes ${from}-${to - 1}/${total}\r\n` +
  `Content-Length: ${to - from}\r\n\r\n${file.toString("latin1", from, to)}`;

/** The answer for the picture, read to its end. */
const whole = {
  bytes,
  bytesSource: "counted",
  type: "image/png",
  sha256: createHash("sha256").update(picture).digest("hex"),
  blurhash: expect.stringMatching(/^.{28}$/) as string,
  warnings: [],
};
const noiseSize = { type: "image/png", width: 400, height: 300 };
const refused = { code: "source_protocol" };
const unread = (warning: WarningCode) => ({
  sha256: null,
  blurhash: null,
  warnings: expect.arrayContaining([warning]) as string[],
});

const cutNoise = { ...noiseSize, bytes: null, ...unread("body_truncated") };

const accepted: readonly Row[] = [
  // Heads (RFC 9112 2.2, 5.1, 5.2; RFC 9110 5.5).
  ["a strict head", `${ok}${type}${length}\r\n${body}`, whole],
  ["no header at all", `${ok}\r\n${body}`, whole],
  ["HTTP/1.0", `HTTP/1.0 200 OK\r\n${type}${length}\r\n${body}`, whole],
  ["HTTP/1.0 without a length", `HTTP/1.0 200 OK\r\n${type}\r\n${body}`, whole],
  ["HTTP/1.0 with chunks", `HTTP/1.0 200 OK\r\n${type}${chunked}\r\n${chunks}`, whole],
  ["a later minor version", `HTTP/1.2 200 OK\r\n${type}${length}\r\n${body}`, whole],
  ["no reason phrase", `HTTP/1.1 200\r\n${type}${length}\r\n${body}`, whole],
  ["a reason phrase in UTF-8", `HTTP/1.1 200 \xc3\xa9\r\n${type}${length}\r\n${body}`, whole],
  ["empty lines before the head", `\r\n\n${ok}${type}${length}\r\n${body}`, whole],
  ["bare line feeds", `${ok}${type}${length}\r\n`.replaceAll("\r", "") + body, whole],
  ["bare line feeds in some lines", `${ok}Content-Type: image/png\n${length}\n${body}`, whole],
  ["a folded header", `${ok}X-A: a\r\n b\r\n\tc\r\n${type}${length}\r\n${body}`, whole],
  ["a folded Content-Type", `${ok}Content-Type:\r\n image/png\r\n${length}\r\n${body}`, whole],
  ["a folded line before the first header", `${ok} a: b\r\n${type}${length}\r\n${body}`, whole],
  ["a line without a colon", `${ok}nonsense\r\n folded\r\n${type}${length}\r\n${body}`, whole],
  ["a second status line", `${ok}${ok}${type}${length}\r\n${body}`, whole],
  ["a header without a name", `${ok}: a\r\n${type}${length}\r\n${body}`, whole],
  ["a space before a colon", `${ok}Content-Type : image/png\r\nContent-Length : ${bytes}\r\n\r\n${body}`, whole],
  ["a space within a name", `${ok}X A: b\r\n${type}${length}\r\n${body}`, whole],
  ["odd characters in a name", `${ok}X(\xe9)[@]: b\r\n${type}${length}\r\n${body}`, whole],
  ["control characters in a value", `${ok}X-A: a\x01\x1f\x7fb\r\n${type}${length}\r\n${body}`, whole],
  ["a bare carriage return in a value", `${ok}X-A: a\rb\r\n${type}${length}\r\n${body}`, whole],
  ["a head of 60 KiB", `${ok}${filler(60)}${type}${length}\r\n${body}`, whole],
  ["a header of 60 KiB", `${ok}X-A: ${"x".repeat(60 * 1024)}\r\n${type}${length}\r\n${body}`, whole],

  // Interim responses (RFC 9110 15.2).
  ["100 Continue", `${interim(1, "100 Continue")}${ok}${type}${length}\r\n${body}`, whole],
  ["102 Processing", `${interim(1, "102 Processing")}${ok}${type}${length}\r\n${body}`, whole],
  ["an unknown interim response", `${interim(1, "199 Odd")}${ok}${type}${length}\r\n${body}`, whole],
  ["20 interim responses", `${interim(20)}${ok}${type}${length}\r\n${body}`, whole],

  // Lengths and transfer codings (RFC 9112 6.3).
  ["the same length twice", `${ok}${type}${length}${length}\r\n${body}`, whole],
  ["a list of the same length", `${ok}${type}Content-Length: ${bytes}, ${bytes}\r\n\r\n${body}`, whole],
  ["a length with zeros before it", `${ok}${type}Content-Length: 000${bytes}\r\n\r\n${body}`, whole],
  ["chunks", `${ok}${type}${chunked}\r\n${chunks}`, whole],
  ["chunked twice", `${ok}${type}${chunked}${chunked}\r\n${chunks}`, whole],
  ["a list of chunked twice", `${ok}${type}Transfer-Encoding: chunked, Chunked\r\n\r\n${chunks}`, whole],
  ["a transfer coding of identity", `${ok}${type}Transfer-Encoding: identity\r\n${length}\r\n${body}`, whole],
  ["identity and chunked", `${ok}${type}Transfer-Encoding: identity, chunked\r\n\r\n${chunks}`, whole],
  ["an empty transfer coding", `${ok}${type}Transfer-Encoding:\r\n${length}\r\n${body}`, whole],
  ["a length and chunks", `${ok}${type}${length}${chunked}\r\n${chunks}`, whole],
  ["chunks and a wrong length", `${ok}${type}${chunked}Content-Length: 1\r\n\r\n${chunks}`, whole],
  ["chunks and a length that is no number", `${ok}${type}${chunked}Content-Length: -\r\n\r\n${chunks}`, whole],
  ["more bytes than the length", `${ok}${type}${length}\r\n${body}more`, whole],

  // Chunks (RFC 9112 7.1).
  ["chunk sizes with spaces", `${ok}${type}${chunked}\r\n ${bytes.toString(16)}  \r\n${body}\r\n0 \r\n\r\n`, whole],
  ["chunk sizes with zeros", `${ok}${type}${chunked}\r\n000${bytes.toString(16)}\r\n${body}\r\n000\r\n\r\n`, whole],
  ["chunk extensions", `${ok}${type}${chunked}\r\n${bytes.toString(16)};a="b;c"\r\n${body}\r\n0;d\r\n\r\n`, whole],
  ["bare line feeds between chunks", `${ok}${type}${chunked}\r\n${bytes.toString(16)}\n${body}\n0\n\n`, whole],
  ["a trailer", `${ok}${type}${chunked}\r\n${chunks.slice(0, -2)}X-A: b\r\n\tnonsense\n\r\n`, whole],
  [
    "chunks of one byte",
    `${ok}${type}${chunked}\r\n${body.replace(/[^]/g, (byte) => `1\r\n${byte}\r\n`)}0\r\n\r\n`,
    whole,
  ],

  // Connection headers (RFC 9110 7.6.1): they change nothing, since each connection is closed.
  ["keep-alive with HTTP/1.0", `HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n${type}${length}\r\n${body}`, whole],
  ["keep-alive without a length", `${ok}Connection: keep-alive\r\n${type}\r\n${body}`, whole],
  ["Keep-Alive", `${ok}Connection: keep-alive\r\nKeep-Alive: timeout=0, max=x\r\n${type}${length}\r\n${body}`, whole],
  ["Proxy-Connection", `${ok}Proxy-Connection: keep-alive\r\n${type}${length}\r\n${body}`, whole],
  ["an upgrade", `${ok}Connection: upgrade\r\nUpgrade: h2c\r\n${type}${length}\r\n${body}`, whole],
  ["close and keep-alive", `${ok}Connection: close, keep-alive\r\n${type}${length}\r\n${body}`, whole],

  // Content codings (RFC 9110 8.4) in spite of `Accept-Encoding: identity`.
  ...["utf-8", "none", "binary", "base64", "aws-chunked", "image/png", "identity", ""].map((word): Row => [
    `the Content-Encoding "${word}", which is no coding`,
    `${ok}Content-Encoding: ${word}\r\n${type}${length}\r\n${body}`,
    whole,
  ]),
  ["gzip", coded("gzip", gzipSync(picture)), whole],
  ["x-gzip", coded("X-GZip", gzipSync(picture)), whole],
  [
    "gzip of two members",
    coded("gzip", Buffer.concat([gzipSync(picture.subarray(0, 9)), gzipSync(picture.subarray(9))])),
    whole,
  ],
  ["gzip with bytes behind it", coded("gzip", Buffer.concat([gzipSync(picture), Buffer.alloc(20)])), whole],
  ["deflate in the zlib format", coded("deflate", deflateSync(picture)), whole],
  ["deflate without the zlib format", coded("deflate", deflateRawSync(picture)), whole],
  ["br", coded("br", brotliCompressSync(picture)), whole],
  ["gzip and aws-chunked", coded("gzip, aws-chunked", gzipSync(picture)), whole],
  ["gzip in chunks", codedInChunks("gzip", gzipSync(picture)), whole],
  ["gzip without a length", `${ok}Content-Encoding: gzip\r\n${type}\r\n${gzipSync(picture).toString("latin1")}`, whole],
  ["a picture that is not coded as gzip", coded("gzip", picture), whole],

  // 206 without a requested range (RFC 9110 15.3.7).
  ["206 with the whole picture", part(0, bytes), whole],
  ["200 with a Content-Range", `${ok}${type}Content-Range: bytes 0-9/10\r\n${length}\r\n${body}`, whole],
  ["200 with Accept-Ranges: none", `${ok}${type}Accept-Ranges: none\r\n${length}\r\n${body}`, whole],
];

const cut: readonly Row[] = [
  [
    "206 with the beginning",
    part(0, 9000, noise.length, noise),
    { ...noiseSize, bytes: noise.length, bytesSource: "declared", ...unread("body_truncated") },
  ],
  [
    "206 with the beginning of an unknown length",
    part(0, 9000, "*", noise),
    { ...noiseSize, bytes: null, ...unread("body_truncated") },
  ],
  [
    "half of a picture",
    `${ok}${type}Content-Length: ${noise.length}\r\n\r\n${half(noise).toString("latin1")}`,
    { ...noiseSize, bytes: noise.length, ...unread("body_truncated") },
  ],
  ["half of a picture in gzip", cutCoded("gzip", gzipSync(noise)), cutNoise],
  ["half of a picture in br", cutCoded("br", brotliCompressSync(noise)), cutNoise],
  ["half of a picture in deflate", cutCoded("deflate", deflateSync(noise)), cutNoise],
  ["gzip without its end, in complete chunks", codedInChunks("gzip", half(gzipSync(noise))), cutNoise],
  ["broken gzip", coded("gzip", broken(gzipSync(noise))), cutNoise],
  ["arbitrary bytes as br", coded("br", noise), unread("body_encoded")],
  ["arbitrary bytes as deflate", coded("deflate", noise), unread("body_encoded")],
  ["text as gzip", coded("gzip", Buffer.from("a text that is no picture")), unread("body_encoded")],
  ["zstd", coded("zstd", Buffer.from("28b52ffd2000", "hex")), unread("body_encoded")],
  ["gzip twice", coded("gzip, gzip", gzipSync(gzipSync(picture))), unread("body_encoded")],
];

const errors: readonly Row[] = [
  ["status 999", `HTTP/1.1 999 Request denied\r\n${length}\r\n${body}`, { code: "source_status", upstreamStatus: 999 }],
  ["status 600", `HTTP/1.1 600 Odd\r\n\r\n`, { code: "source_status", upstreamStatus: 600 }],
  [
    "206 without a range",
    `HTTP/1.1 206 Part\r\n${type}${length}\r\n${body}`,
    { code: "source_status", upstreamStatus: 206 },
  ],
  ["206 with the end", part(60, bytes), { code: "source_status", upstreamStatus: 206 }],
  ["206 with the end, of an unknown length", part(60, bytes, "*"), { code: "source_status", upstreamStatus: 206 }],
  ["206 with a range beyond the length", part(0, bytes, 9), { code: "source_status", upstreamStatus: 206 }],
  [
    "206 with several ranges",
    `HTTP/1.1 206 Parts\r\nContent-Type: multipart/byteranges; boundary=a\r\n\r\n--a--`,
    { code: "source_status", upstreamStatus: 206 },
  ],
  [
    "206 that is coded",
    `HTTP/1.1 206 Part\r\nContent-Encoding: gzip\r\nContent-Range: bytes 0-9/10\r\n\r\n0123456789`,
    { code: "source_status", upstreamStatus: 206 },
  ],
  ["416", `HTTP/1.1 416 No\r\nContent-Range: bytes */${bytes}\r\n\r\n`, { code: "source_status", upstreamStatus: 416 }],
  ["status 404 with a picture", `HTTP/1.1 404 No\r\n${type}${length}\r\n${body}`, { upstreamStatus: 404 }],
];

/** Each with the reason why it stays refused. */
const rejected: readonly (readonly [...Row, reason: string])[] = [
  [
    "status 000",
    `HTTP/1.1 000 None\r\n${length}\r\n${body}`,
    refused,
    "no class of statuses begins with 0 (RFC 9110 15)",
  ],
  [
    "status 099",
    `HTTP/1.1 099 None\r\n${length}\r\n${body}`,
    refused,
    "no class of statuses begins with 0 (RFC 9110 15)",
  ],
  ["a status of four digits", `HTTP/1.1 2000 OK\r\n${length}\r\n${body}`, refused, "no status"],
  ["HTTP/9.9", `HTTP/9.9 200 OK\r\n${length}\r\n${body}`, refused, "an unknown message format"],
  ["HTTP/0.9", body, refused, "any server of any protocol sends some bytes"],
  [
    "NUL in a value",
    `${ok}X-A: a\0b\r\n${length}\r\n${body}`,
    refused,
    "dangerous (RFC 9110 5.5); Chromium refuses it",
  ],
  ["NUL in a name", `${ok}X\0A: b\r\n${length}\r\n${body}`, refused, "dangerous (RFC 9110 5.5); Chromium refuses it"],
  [
    "lengths that differ",
    `${ok}${length}Content-Length: 1\r\n\r\n${body}`,
    refused,
    "the length is unknown (RFC 9112 6.3)",
  ],
  ["a list of lengths that differ", `${ok}Content-Length: ${bytes}, 1\r\n\r\n${body}`, refused, "the same"],
  ["a length that is no number", `${ok}Content-Length: 1e3\r\n\r\n${body}`, refused, "the length is unknown"],
  ["a head of 65 KiB", `${ok}${filler(65)}${length}\r\n${body}`, refused, "memory"],
  ["20 heads of more than 64 KiB", `${`HTTP/1.1 103 A\r\n${filler(4)}\r\n`.repeat(17)}${ok}\r\n`, refused, "memory"],
  ["1001 header lines", `${ok}${"A: b\r\n".repeat(1001)}${length}\r\n${body}`, refused, "time of the parser"],
  ["21 interim responses", `${interim(21)}${ok}${length}\r\n${body}`, refused, "an endless response"],
  ["101", `HTTP/1.1 101 Switching Protocols\r\n\r\n${body}`, refused, "no upgrade was requested"],
  [
    "a control character in Location",
    `HTTP/1.1 302 Found\r\nLocation: /a\x01\r\n\r\n`,
    refused,
    "parsers disagree on it",
  ],
  [
    "a transfer coding of gzip and chunked",
    `${ok}${type}Transfer-Encoding: gzip, chunked\r\n\r\n${chunks}`,
    unread("body_encoded"),
    "no TE was sent, and browsers do not decode it",
  ],
  [
    "a chunk size in another radix",
    `${ok}${type}${chunked}\r\n0x${bytes.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    unread("body_truncated"),
    "the end of the chunk is unknown",
  ],
];

let decoder: Decoder;
const cleanUps: (() => Promise<void>)[] = [];
beforeAll(async () => {
  decoder = await startDecoder((end) => void cleanUps.push(end), { processes: 1 });
});
afterAll(async () => {
  for (const cleanUp of cleanUps) await cleanUp();
});

/** Looks up the URL without a cache; returns the metadata, or the failure. */
async function describeUrl(url: string): Promise<object> {
  const { ask } = createCachedService(decoder);
  return ask(url).done.catch((error: unknown) => {
    if (!(error instanceof OracleError)) throw error;
    return { code: error.code, upstreamStatus: error.upstreamStatus };
  });
}

const toBytes = (response: string | Buffer) =>
  typeof response === "string" ? Buffer.from(response, "latin1") : response;

const maxWrites = 2000;

/** Sends the response byte by byte, or a long one in `maxWrites` pieces. */
async function sendInPieces(socket: Socket, response: Buffer): Promise<void> {
  const pieceBytes = Math.ceil(response.length / maxWrites);
  socket.setNoDelay(true);
  for (let at = 0; at < response.length && !socket.destroyed; at += pieceBytes) {
    socket.write(response.subarray(at, at + pieceBytes));
    await nextTurn();
  }
  socket.end();
}

const ways: readonly (readonly [way: string, send: (socket: Socket, response: Buffer) => void])[] = [
  ["in one piece", (socket, response) => void socket.end(response)],
  ["byte by byte", (socket, response) => void sendInPieces(socket, response)],
];

describe.for(ways)("a response %s", ([way, send]) => {
  const respond = async (
    response: string | Buffer,
    onTestFinished: Parameters<typeof startSpeakingOrigin>[0],
  ): Promise<object> => {
    const origin = await startSpeakingOrigin(onTestFinished, (socket) => send(socket, toBytes(response)));
    return describeUrl(origin.url("/a"));
  };

  test.for(accepted)(`an origin that sends ${way} %s is described`, async (row, { onTestFinished }) => {
    expect(await respond(row[1], onTestFinished)).toMatchObject(row[2]);
  });

  test.for(cut)(
    `an origin that sends ${way} %s is described as far as it can be read`,
    async (row, { onTestFinished }) => {
      expect(await respond(row[1], onTestFinished)).toMatchObject(row[2]);
    },
  );

  test.for(errors)(`an origin that sends ${way} %s has the status in its failure`, async (row, { onTestFinished }) => {
    expect(await respond(row[1], onTestFinished)).toMatchObject(row[2]);
  });

  test.for(rejected)(`an origin that sends ${way} %s is refused`, async (row, { onTestFinished }) => {
    expect(await respond(row[1], onTestFinished)).toMatchObject(row[2]);
  });
});
