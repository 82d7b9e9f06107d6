import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { OnFinished } from "./prosody.ts";
import sharp from "sharp";
import { startOrigin } from "./origin.ts";

/** A request of the Prosody module. */
export interface Question {
  readonly url: string;
  readonly deadlineMs: number;
  readonly fields: readonly string[];
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Sends a response to a request, or none. */
export type Responder = (question: Question, response: ServerResponse) => void | Promise<void>;

/** A fake oracle: an HTTP server whose responses the test determines. */
export interface StandIn {
  readonly endpoint: string;
  /** All requests so far. */
  readonly questions: readonly Question[];
  /** Returns the URLs of all requests so far. */
  urls(): string[];
  /** Returns the number of connections accepted so far. */
  connections(): number;
  /** Resolves when it has received this number of requests. */
  asked(count: number): Promise<void>;
  responder: Responder;
}

const thumbnail = await sharp({ create: { width: 8, height: 4, channels: 3, background: "#4080c0" } })
  .png()
  .toBuffer();

export const summit = {
  bytes: 15690,
  bytesSource: "counted",
  type: "image/png",
  blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
  width: 4096,
  height: 2160,
  thumbhash: "1QcSHQRnh493V4dIh4eXh1h4kJUI",
  animated: false,
  durationMs: null,
  sha256: "35da6a0d35da6a0d35da6a0d35da6a0d35da6a0d35da6a0d35da6a0d35da6a0d",
  filename: "summit.png",
  /** 8 x 4 pixels. */
  thumbnail: `data:image/png;base64,${thumbnail.toString("base64")}`,
  partial: false,
  warnings: [],
};

/** The element that the room adds for {@link summit}. */
export const summitElement = {
  bytes: "15690",
  type: "image/png",
  blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
  width: "4096",
  height: "2160",
};

/** Responds with complete metadata to every request. */
export const describeAll: Responder = ({ url }, response) => answer(response, 200, { url, ...summit });

/** Never responds. */
export const silence: Responder = () => undefined;

/** Chooses the responder by the file name in the URL, with {@link describeAll} for other names: `{ "dead.png": fail(502) }`. */
export function byFile(responders: Readonly<Record<string, Responder>>): Responder {
  return (question, response) => {
    const responder = responders[question.url.replace(/.*\//, "")] ?? describeAll;
    return responder(question, response);
  };
}

/** Responds with a problem document (RFC 9457), as the oracle does for a failed lookup. */
export function fail(status: number, code = "source_status"): Responder {
  return (_question, response) =>
    answer(response, status, { type: "about:blank", title: "no", status, code, retryable: true });
}

/** Sends a body as JSON: metadata for status 200, otherwise a problem document. */
export function answer(response: ServerResponse, status: number, body: unknown): void {
  const type = status === 200 ? "application/json" : "application/problem+json";
  response.writeHead(status, { "content-type": type }).end(typeof body === "string" ? body : JSON.stringify(body));
}

/** Holds back complete metadata until the test calls `release`. */
export function heldBack(): { readonly responder: Responder; readonly release: () => void } {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  return {
    responder: async (question, response) => {
      await released;
      await describeAll(question, response);
    },
    release,
  };
}

/** Starts a fake oracle on a free port. */
export async function startStandIn(
  onFinished: OnFinished,
  responder: Responder = describeAll,
  host = "127.0.0.1",
): Promise<StandIn> {
  const questions: Question[] = [];
  const waiters = new Set<() => void>();
  const standIn = { responder };
  const origin = await startOrigin(
    onFinished,
    (request, response) => {
      if (request.url === "/version") return answer(response, 200, { version: "0.0.0" });
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => (body += text));
      void once(request, "end").then(async () => {
        const { url, deadlineMs, fields } = JSON.parse(body) as Pick<Question, "url" | "deadlineMs" | "fields">;
        const question = {
          url,
          deadlineMs,
          fields,
          method: request.method,
          path: request.url,
          headers: request.headers,
        };
        questions.push(question);
        for (const check of waiters) check();
        await standIn.responder(question, response);
      });
    },
    { host },
  );
  return Object.assign(standIn, {
    endpoint: origin.url("/metadata"),
    questions,
    connections: () => origin.connections,
    urls: () => questions.map(({ url }) => url),
    asked: (count: number) =>
      new Promise<void>((resolve) => {
        const check = (): void => {
          if (questions.length < count) return;
          waiters.delete(check);
          resolve();
        };
        waiters.add(check);
        check();
      }),
  });
}
