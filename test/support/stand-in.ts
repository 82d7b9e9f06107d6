import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { OnFinished } from "./prosody.ts";
import { startOrigin } from "./origin.ts";

/** What the module asked. */
export interface Question {
  readonly url: string;
  readonly deadlineMs: number;
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Answers, or keeps silent. */
export type Responder = (question: Question, response: ServerResponse) => void | Promise<void>;

/** Speaks the oracle's HTTP contract in the words of the test. */
export interface StandIn {
  readonly endpoint: string;
  /** All that it was asked so far. */
  readonly questions: readonly Question[];
  /** The URLs it was asked for. */
  urls(): string[];
  /** Resolves once this many were asked. */
  asked(count: number): Promise<void>;
  responder: Responder;
}

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
  partial: false,
  warnings: [],
};

/** What the room adds for {@link summit}. */
export const summitElement = {
  bytes: "15690",
  type: "image/png",
  blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
  width: "4096",
  height: "2160",
};

/** Answers everything as well as can be. */
export const describeAll: Responder = ({ url }, response) => answer(response, 200, { url, ...summit });

/** Never answers. */
export const silence: Responder = () => undefined;

/** Answers each with what is set for the file in its URL, and describes the others: `{ "dead.png": fail(502) }`. */
export function byFile(responders: Readonly<Record<string, Responder>>): Responder {
  return (question, response) => {
    const responder = responders[question.url.replace(/.*\//, "")] ?? describeAll;
    return responder(question, response);
  };
}

/** The oracle's way to say that nothing can be said (RFC 9457). */
export function fail(status: number, code = "source_status"): Responder {
  return (_question, response) =>
    answer(response, status, { type: "about:blank", title: "no", status, code, retryable: true });
}

export function answer(response: ServerResponse, status: number, body: unknown): void {
  const type = status === 200 ? "application/json" : "application/problem+json";
  response.writeHead(status, { "content-type": type }).end(typeof body === "string" ? body : JSON.stringify(body));
}

/** Describes when the test lets it. */
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

export async function startStandIn(
  onFinished: OnFinished,
  responder: Responder = describeAll,
  host = "127.0.0.1",
): Promise<StandIn> {
  const questions: Question[] = [];
  const waiting = new Set<() => void>();
  const standIn = { responder };
  const origin = await startOrigin(
    onFinished,
    (request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => (body += text));
      void once(request, "end").then(async () => {
        const { url, deadlineMs } = JSON.parse(body) as Pick<Question, "url" | "deadlineMs">;
        const question = { url, deadlineMs, method: request.method, path: request.url, headers: request.headers };
        questions.push(question);
        for (const look of waiting) look();
        await standIn.responder(question, response);
      });
    },
    { host },
  );
  return Object.assign(standIn, {
    endpoint: origin.url("/metadata"),
    questions,
    urls: () => questions.map(({ url }) => url),
    asked: (count: number) =>
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (questions.length < count) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  });
}
