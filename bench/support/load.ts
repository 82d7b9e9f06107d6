import { connect } from "node:net";

export interface LoadOptions {
  readonly url: URL;
  /** Body of a POST request; without it, the request is a GET. */
  readonly body?: string;
  /** The `If-None-Match` header: the response must be 304. Without it, it must be 200. */
  readonly etag?: string;
  readonly connections: number;
  readonly durationMs: number;
}

/**
 * Sends the same request over keep-alive connections, one at a time on each, and counts the complete responses.
 *
 * Uses raw sockets, because an HTTP client would take more CPU time than the servers under test.
 *
 * @returns responses a second
 * @throws Error if a response has another status
 */
export async function requestRate({ url, body, etag, connections, durationMs }: LoadOptions): Promise<number> {
  const posted =
    body === undefined ? "" : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  const validator = etag === undefined ? "" : `If-None-Match: ${etag}\r\n`;
  const method = body === undefined ? "GET" : "POST";
  const request = Buffer.from(
    `${method} ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n${posted}${validator}\r\n${body ?? ""}`,
  );
  const expected = `HTTP/1.1 ${etag === undefined ? 200 : 304}`;
  const end = performance.now() + durationMs;
  let answers = 0;
  const began = performance.now();
  /** Sends requests over one connection; resolves when the time is over, or when the server closes it between two requests. */
  const useConnection = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(Number(url.port), url.hostname);
      let pending = "";
      socket.setNoDelay(true).setEncoding("latin1");
      socket.on("connect", () => socket.write(request));
      socket.on("error", reject);
      socket.on("close", resolve);
      socket.on("data", (text: string) => {
        pending += text;
        const headEnd = pending.indexOf("\r\n\r\n");
        if (headEnd < 0) return;
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(pending)?.[1] ?? 0);
        if (pending.length < headEnd + 4 + length) return;
        if (!pending.startsWith(expected)) return reject(new Error(`not ${expected}: ${pending.slice(0, 200)}`));
        pending = "";
        answers += 1;
        if (performance.now() < end) return socket.write(request);
        socket.destroy();
      });
    });
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < end) await useConnection(); // nginx closes a connection after 1000 requests
    }),
  );
  return answers / ((performance.now() - began) / 1000);
}
