import type { Socket } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";

export const crlf = "\r\n";
export const ok = `HTTP/1.1 200 OK${crlf}`;
export const chunked = `${ok}Transfer-Encoding: chunked${crlf}${crlf}`;

/** The bytes that an origin sends, or a function that sends them. */
export type Speak = string | Buffer | ((socket: Socket) => void);

/** Sends the first text, then repeats the second one for ever, as fast as the client reads. */
export function flood(first: string, again: string): Speak {
  const piece = Buffer.from(again.repeat(Math.ceil(16_384 / again.length)));
  return (socket) => {
    socket.write(first);
    const pour = () => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on("drain", pour);
    pour();
  };
}

/** Slow drip: sends the first text, then the rest in pieces of `piece` bytes, one every 20 ms. */
export function drip(first: string, rest: string, piece = 1): Speak {
  return (socket) => {
    socket.write(first);
    let at = 0;
    const timer = setInterval(() => {
      socket.write(rest.slice(at, at + piece) || "x");
      at += piece;
    }, 20);
    socket.on("close", () => clearInterval(timer));
  };
}

/** Sends the text, then resets the connection (RST) once it has arrived. */
function resetAfter(text: string): Speak {
  return (socket) => {
    socket.write(text, () => setTimeout(() => socket.resetAndDestroy(), 50));
  };
}

/** Sends the text, then closes the connection. */
export const end = (text: string) => (socket: Socket) => void socket.end(text);

/** Decompression bombs of ten megabytes of zeros. Node 20 lacks zstd: a magic number and zeros stand for its bomb. */
const zeros = Buffer.alloc(10_000_000);
const bombs: readonly (readonly [string, Buffer])[] = [
  ["gzip", gzipSync(zeros)],
  ["deflate", deflateSync(zeros)],
  ["br", brotliCompressSync(zeros)],
  ["zstd", Buffer.from("28b52ffd".padEnd(4000, "0"), "hex")],
  ["gzip, br", brotliCompressSync(gzipSync(zeros))],
];

const redirectTo = (location: string) => `HTTP/1.1 302 Found${crlf}Location: ${location}${crlf}${crlf}`;

/** An origin that violates HTTP or exhausts resources. */
export interface HostileOrigin {
  readonly name: string;
  readonly speak: Speak;
  /** The only correct outcome, as {@link Fetcher.outcome} returns it. */
  readonly expected: string;
  /** Maximum number of connections to the origin; default 1. */
  readonly connections?: number;
}

type Row = [name: string, speak: Speak, expected: string, connections?: number];

const rows: Row[] = [
  // Slow origins: the fetch timeout ends the connection, on time.
  ["no response", () => undefined, "source_unreachable timeout"],
  ["a dripped status line", drip("HTTP/1.1 200 ", "O".repeat(1e5)), "source_unreachable timeout"],
  ["dripped header bytes", drip(`${ok}X-A: `, "a".repeat(1e5)), "source_unreachable timeout"],
  ["dripped header lines", drip(ok, `A: b${crlf}`.repeat(1e4), 6), "source_unreachable timeout"],
  ["a dripped body", drip(`${ok}Content-Length: 100000${crlf}${crlf}`, "a".repeat(1e5)), "body_timeout"],
  ["a dripped body without length", drip(`${ok}${crlf}`, "a".repeat(1e5)), "body_timeout"],
  ["dripped chunks", drip(chunked, `1${crlf}a${crlf}`.repeat(1e4), 6), "body_timeout"],
  ["a dripped trailer", drip(`${chunked}0${crlf}`, `A: b${crlf}`.repeat(1e4), 6), "body_timeout"],
  ["a body that stalls", `${ok}Content-Length: 100${crlf}${crlf}abc`, "body_timeout"],
  ["a chunk that stalls", `${chunked}64${crlf}abc`, "body_timeout"],
  ["chunks without the last", `${chunked}3${crlf}abc${crlf}`, "body_timeout"],
  ["10 GB declared, none sent", `${ok}Content-Length: 10000000000${crlf}${crlf}`, "body_timeout"],
  ["one interim response (1xx), then nothing", `HTTP/1.1 103 Early Hints${crlf}${crlf}`, "source_unreachable timeout"],
  [
    "dripped interim responses",
    drip("", `HTTP/1.1 103 Early Hints${crlf}${crlf}`.repeat(4), 1),
    "source_unreachable timeout",
  ],

  // Too much data: a size limit ends the connection before the timeout.
  ["an endless body", flood(`${ok}${crlf}`, "a"), "body_too_large"],
  ["an endless chunk", flood(`${chunked}fffffffffffffff${crlf}`, "a"), "body_too_large"],
  ["endless chunks", flood(chunked, `1000${crlf}${"a".repeat(4096)}${crlf}`), "body_too_large"],
  ["10 GB declared, and sent", flood(`${ok}Content-Length: 10000000000${crlf}${crlf}`, "a"), "body_too_large"],
  [
    "the largest 64-bit length",
    flood(`${ok}Content-Length: 18446744073709551615${crlf}${crlf}`, "a"),
    "body_too_large",
  ],
  ["endless 103 responses", flood("", `HTTP/1.1 103 Early Hints${crlf}${crlf}`), "source_protocol"],
  ["endless 102 responses", flood("", `HTTP/1.1 102 Processing${crlf}${crlf}`), "source_protocol"],
  ["endless 100 responses", flood("", `HTTP/1.1 100 Continue${crlf}${crlf}`), "source_protocol"],
  ["endless headers", flood(ok, `A: b${crlf}`), "source_protocol"],
  ["endless empty headers", flood(ok, `A:${crlf}`), "source_protocol"],
  ["an endless header value", flood(`${ok}A: `, "a"), "source_protocol"],
  ["an endless header name", flood(ok, "a"), "source_protocol"],
  ["an endless reason phrase", flood("HTTP/1.1 200 ", "a"), "source_protocol"],
  ["endless line ends", flood("", crlf), "source_protocol"],
  ["endless trailers", flood(`${chunked}1${crlf}a${crlf}0${crlf}`, `A: b${crlf}`), "body_truncated"],
  ["an endless chunk extension", flood(`${chunked}1;`, "a"), "body_truncated"],
  ["chunks of one byte with long extensions", flood(chunked, `1;${"e".repeat(8000)}${crlf}a${crlf}`), "body_truncated"],
  ["a chunk size of many digits", flood(chunked, "0"), "body_truncated"],

  // Closed or reset connections.
  ["an end before any byte", end(""), "source_unreachable reset"],
  ["an end in the status line", end("HTTP/1.1 20"), "source_unreachable reset"],
  ["an end in the headers", end(`${ok}Content-Le`), "source_unreachable reset"],
  ["an end after an interim response", end(`HTTP/1.1 103 Early Hints${crlf}${crlf}`), "source_unreachable reset"],
  ["an end before the declared length", end(`${ok}Content-Length: 100${crlf}${crlf}abc`), "body_truncated"],
  ["an end before the first byte of the body", end(`${ok}Content-Length: 100${crlf}${crlf}`), "body_truncated"],
  ["an end within a chunk", end(`${chunked}64${crlf}abc`), "body_truncated"],
  ["an end between chunks", end(`${chunked}3${crlf}abc${crlf}`), "body_truncated"],
  ["an end in the trailer", end(`${chunked}3${crlf}abc${crlf}0${crlf}`), "body_truncated"],
  ["a reset before any byte", resetAfter(""), "source_unreachable reset"],
  ["a reset in the status line", resetAfter("HTTP/1.1 20"), "source_unreachable reset"],
  ["a reset in the headers", resetAfter(`${ok}Content-Le`), "source_unreachable reset"],
  ["a reset before the declared length", resetAfter(`${ok}Content-Length: 100${crlf}${crlf}abc`), "body_truncated"],
  ["a reset after the head", resetAfter(`${ok}Content-Length: 100${crlf}${crlf}`), "body_truncated"],
  ["a reset within a chunk", resetAfter(`${chunked}64${crlf}abc`), "body_truncated"],
  ["a reset of a body without length", resetAfter(`${ok}${crlf}abc`), "body_truncated"],
  ["a reset between chunks", resetAfter(`${chunked}3${crlf}abc${crlf}`), "body_truncated"],
  ["a reset in the trailer", resetAfter(`${chunked}3${crlf}abc${crlf}0${crlf}A: `), "body_truncated"],
  [
    "a reset after an interim response",
    resetAfter(`HTTP/1.1 103 Early Hints${crlf}${crlf}`),
    "source_unreachable reset",
  ],
  [
    "a reset of a body without length, with Connection: close",
    resetAfter(`${ok}Connection: close${crlf}${crlf}abc`),
    "body_truncated",
  ],

  // Wrong or contradictory lengths.
  ["two lengths that differ", `${ok}Content-Length: 1${crlf}Content-Length: 2${crlf}${crlf}ab`, "source_protocol"],
  ["two equal lengths", `${ok}Content-Length: 1${crlf}Content-Length: 1${crlf}${crlf}a`, "ok"],
  ["a list of lengths", `${ok}Content-Length: 1, 1${crlf}${crlf}a`, "ok"],
  ["length with chunks", `${ok}Content-Length: 1${crlf}Transfer-Encoding: chunked${crlf}${crlf}0${crlf}${crlf}`, "ok"],
  ["chunks with length", `${ok}Transfer-Encoding: chunked${crlf}Content-Length: 1${crlf}${crlf}0${crlf}${crlf}`, "ok"],
  ["a negative length", `${ok}Content-Length: -1${crlf}${crlf}`, "source_protocol"],
  ["a signed length", `${ok}Content-Length: +1${crlf}${crlf}a`, "source_protocol"],
  ["a length in hex", `${ok}Content-Length: 0x1${crlf}${crlf}a`, "source_protocol"],
  ["an empty length", `${ok}Content-Length: ${crlf}${crlf}a`, "source_protocol"],
  ["a length past 64 bits", `${ok}Content-Length: 18446744073709551616${crlf}${crlf}a`, "source_protocol"],
  ["a body longer than its length", `${ok}Content-Length: 1${crlf}${crlf}abc`, "ok"],
  [
    "an unrequested second response",
    `${ok}Content-Length: 1${crlf}${crlf}a${ok}Content-Length: 4${crlf}${crlf}evil`,
    "ok",
  ],

  // Other protocols, and malformed HTTP.
  ["bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 1\n\na", "ok"],
  ["a folded header", `${ok}X-A: a${crlf} b${crlf}Content-Length: 1${crlf}${crlf}a`, "ok"],
  ["NUL in a header", `${ok}X-A: a\0b${crlf}Content-Length: 1${crlf}${crlf}a`, "source_protocol"],
  ["NUL in a header's name", `${ok}X\0A: a${crlf}Content-Length: 1${crlf}${crlf}a`, "source_protocol"],
  ["NUL in the status line", `HTTP/1.1 2\x0000 OK${crlf}Content-Length: 1${crlf}${crlf}a`, "source_protocol"],
  ["NUL before everything", `\0${ok}Content-Length: 1${crlf}${crlf}a`, "source_protocol"],
  ["a bare carriage return in a header", `${ok}X-A: a\rb${crlf}Content-Length: 1${crlf}${crlf}a`, "ok"],
  ["a space before the colon", `${ok}Content-Length : 1${crlf}${crlf}a`, "ok"],
  ["a header without colon", `${ok}nonsense${crlf}${crlf}a`, "body_timeout"],
  ["an invalid chunk size", `${chunked}zz${crlf}a${crlf}`, "body_truncated"],
  ["a chunk size with 0x", `${chunked}0x1${crlf}a${crlf}`, "body_truncated"],
  ["an empty chunk size", `${chunked}${crlf}a${crlf}`, "body_truncated"],
  ["chunks that end in bare line feeds", `${chunked}1\na\n0\n\n`, "ok"],
  ["a negative chunk size", `${chunked}-1${crlf}a${crlf}`, "body_truncated"],
  ["a chunk size past 64 bits", `${chunked}${"f".repeat(17)}${crlf}a${crlf}`, "body_truncated"],
  ["a chunk longer than its size", `${chunked}1${crlf}abc${crlf}0${crlf}${crlf}`, "body_truncated"],
  ["101", `HTTP/1.1 101 Switching Protocols${crlf}${crlf}`, "source_protocol"],
  [
    "101 with an upgrade",
    `HTTP/1.1 101 Switching Protocols${crlf}Upgrade: h2c${crlf}Connection: upgrade${crlf}${crlf}`,
    "source_protocol",
  ],
  ["200 with an upgrade", `${ok}Upgrade: h2c${crlf}Connection: upgrade${crlf}Content-Length: 1${crlf}${crlf}a`, "ok"],
  ["100, then the response", `HTTP/1.1 100 Continue${crlf}${crlf}${ok}Content-Length: 1${crlf}${crlf}a`, "ok"],
  [
    "five interim responses, then the response",
    `${`HTTP/1.1 103 Early Hints${crlf}${crlf}`.repeat(5)}${ok}Content-Length: 1${crlf}${crlf}a`,
    "ok",
  ],
  [
    "six interim responses, then the response",
    `${`HTTP/1.1 103 Early Hints${crlf}${crlf}`.repeat(6)}${ok}Content-Length: 1${crlf}${crlf}a`,
    "ok",
  ],
  [
    "21 interim responses, then the response",
    `${`HTTP/1.1 103 Early Hints${crlf}${crlf}`.repeat(21)}${ok}Content-Length: 1${crlf}${crlf}a`,
    "source_protocol",
  ],
  ["status 000", `HTTP/1.1 000 Nothing${crlf}Content-Length: 0${crlf}${crlf}`, "source_protocol"],
  ["status 099", `HTTP/1.1 099 Nothing${crlf}Content-Length: 0${crlf}${crlf}`, "source_protocol"],
  ["status 600", `HTTP/1.1 600 Nothing${crlf}Content-Length: 0${crlf}${crlf}`, "source_status 600"],
  ["status 999", `HTTP/1.1 999 Nothing${crlf}Content-Length: 0${crlf}${crlf}`, "source_status 999"],
  ["a status of four digits", `HTTP/1.1 2000 OK${crlf}Content-Length: 0${crlf}${crlf}`, "source_protocol"],
  ["an SSH banner", `SSH-2.0-OpenSSH_9.2p1${crlf}`, "source_protocol"],
  ["an SMTP banner", `220 mail.example.net ESMTP${crlf}`, "source_protocol"],
  ["HTTP/0.9", "<html>hello</html>", "source_protocol"],
  ["HTTP/9.9", `HTTP/9.9 200 OK${crlf}Content-Length: 0${crlf}${crlf}`, "source_protocol"],
  ["HTTP/2 settings", Buffer.from("000012040000000000000300000064000400100000000600004000", "hex"), "source_protocol"],
  ["the preface of HTTP/2", `PRI * HTTP/2.0${crlf}${crlf}SM${crlf}${crlf}`, "source_protocol"],
  ["a request", `GET / HTTP/1.1${crlf}Host: a${crlf}${crlf}`, "source_protocol"],
  ["arbitrary bytes", Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * 167) % 256)), "source_protocol"],
  ["a TLS alert", Buffer.from("15030100020246", "hex"), "source_protocol"],
  ["a transfer coding without chunked", `${ok}Transfer-Encoding: gzip${crlf}${crlf}abc`, "body_encoded"],
  [
    "an endless body declared as gzip",
    flood(`${ok}Content-Encoding: gzip${crlf}${crlf}`, "\x1f\x8b\x08"),
    "body_too_large",
  ],
  ...bombs.map(([coding, bomb]): Row => [
    `a decompression bomb in ${coding}`,
    Buffer.concat([
      Buffer.from(`${ok}Content-Encoding: ${coding}${crlf}Content-Length: ${bomb.length}${crlf}${crlf}`),
      bomb,
    ]),
    ["zstd", "gzip, br"].includes(coding) ? "body_encoded" : "body_too_large",
  ]),
  [
    "a decompression bomb in gzip without Content-Encoding",
    Buffer.concat([Buffer.from(`${ok}Content-Length: ${bombs[0]![1].length}${crlf}${crlf}`), bombs[0]![1]]),
    "ok",
  ],
  [
    "chunks of a gzip-encoded body",
    `${ok}Transfer-Encoding: gzip, chunked${crlf}${crlf}1${crlf}a${crlf}`,
    "body_encoded",
  ],

  // Redirects.
  ["a redirect to itself", redirectTo("/"), "source_redirects", 6],
  ["a redirect with an endless body", flood(redirectTo("file:///etc/passwd"), "a"), "source_unreachable redirect"],
  ["a redirect with a body that stalls", `${redirectTo("file:///")}abc`, "source_unreachable redirect"],
  ["a redirect to a file", redirectTo("file:///etc/passwd"), "source_unreachable redirect"],
  ["a redirect to another scheme", redirectTo("gopher://127.0.0.1:70/_"), "source_unreachable redirect"],
  ["a redirect to a URL with credentials", redirectTo("http://user:secret@127.0.0.1/"), "source_unreachable redirect"],
  ["a redirect to the invalid port 0", redirectTo("http://127.0.0.1:0/"), "source_unreachable redirect"],
  ["a redirect to the name localhost", redirectTo("http://localhost/"), "source_unreachable redirect"],
  ["a redirect to an address that is not allowed", redirectTo("http://169.254.169.254/"), "source_unreachable address"],
  ["a tab in the Location header", redirectTo("/a\tb"), "source_unreachable redirect"],
  ["a control character in the Location header", redirectTo("/a\u0001b"), "source_protocol"],
  ["NUL in the Location header", redirectTo("/a\0b"), "source_protocol"],
  ["a bare carriage return in the Location header", redirectTo("/a\rb"), "source_protocol"],
  ["a dripped redirect", drip(`HTTP/1.1 302 Found${crlf}Location: /`, "a".repeat(1e5)), "source_unreachable timeout"],
];

export const hostileOrigins: readonly HostileOrigin[] = rows.map(([name, speak, expected, connections = 1]) => ({
  name,
  speak,
  expected,
  connections,
}));

/** Origins that send or close before they receive a request. */
export const greetings: [string, (socket: Socket) => void][] = [
  ["responds before the request", (socket) => socket.write(`${ok}Content-Length: 1${crlf}${crlf}a`)],
  ["closes the connection before the request", (socket) => socket.end()],
  ["resets the connection before the request", (socket) => socket.resetAndDestroy()],
  ["sends an SSH banner before the request", (socket) => socket.write(`SSH-2.0-OpenSSH_9.2p1${crlf}`)],
];
