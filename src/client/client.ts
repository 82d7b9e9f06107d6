import type { components } from "./api.ts";

export type Metadata = components["schemas"]["Metadata"];
export type Problem = components["schemas"]["Problem"];
/** Of a batch: `metadata`, or the `problem` that there is instead. */
export type BatchItem = components["schemas"]["BatchItem"];

export interface ClientOptions {
  /** Where the service is: `http://127.0.0.1:8080`. */
  readonly baseUrl: string | URL;
  readonly token?: string | undefined;
  /** `globalThis.fetch` where absent. */
  readonly fetch?: (url: URL, init: RequestInit) => Promise<Response>;
}

export interface Wishes {
  readonly deadlineMs?: number | undefined;
  readonly fields?: readonly (keyof Metadata)[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly metadata: Metadata;
  /** How it was come by (RFC 9211). */
  readonly cacheStatus: string;
  /** What it had to wait for, stage by stage, in milliseconds. */
  readonly timings: Readonly<Record<string, number>>;
}

/** The service says why nothing can be said. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;
  /** Null where the service does not ask for a pause. */
  readonly retryAfterMs: number | null;

  constructor(problem: Problem, retryAfter: string | null) {
    super(`${problem.title} (${problem.code})`);
    this.problem = problem;
    this.retryAfterMs = retryAfter === null ? null : Number(retryAfter) * 1000;
  }
}

/** Nobody answered, or somebody who is no media-oracle. */
export class NoAnswerError extends Error {}

function json<T>(response: Response, signal?: AbortSignal): Promise<T> {
  return response.json().catch((error: unknown) => {
    signal?.throwIfAborted();
    throw new NoAnswerError("the answer broke off", { cause: error });
  }) as Promise<T>;
}

/** Asks a media-oracle. What it throws is a {@link ProblemError}, a {@link NoAnswerError}, or the reason of an aborted signal. */
export function createClient({ baseUrl, token, fetch = globalThis.fetch }: ClientOptions) {
  const base = String(baseUrl).replace(/\/*$/, "/");

  async function post(path: string, question: object, accept: string, signal?: AbortSignal): Promise<Response> {
    const headers = { accept, "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
    const init = { method: "POST", headers, body: JSON.stringify(question), signal: signal ?? null };
    const response = await fetch(new URL(path, base), init).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw new NoAnswerError(`nothing answers at ${base}`, { cause: error });
    });
    const type = response.headers.get("content-type") ?? "";
    if (type.startsWith("application/problem+json")) {
      throw new ProblemError(await json<Problem>(response, signal), response.headers.get("retry-after"));
    }
    if (!response.ok || !type.startsWith(accept)) throw new NoAnswerError(`what answers at ${base} is no media-oracle`);
    return response;
  }

  return {
    /** Describes one URL. */
    async describe(url: string, { signal, ...wishes }: Wishes = {}): Promise<Answer> {
      const response = await post("metadata", { ...wishes, url }, "application/json", signal);
      const timings = (response.headers.get("server-timing") ?? "").matchAll(/(\w+);dur=([\d.]+)/g);
      return {
        metadata: await json<Metadata>(response, signal),
        cacheStatus: response.headers.get("cache-status") ?? "",
        timings: Object.fromEntries(Array.from(timings, ([, stage, took]) => [stage ?? "", Number(took)])),
      };
    },

    /** Describes up to a hundred URLs, and gives each as soon as it is known. */
    async *describeAll(urls: readonly string[], { signal, ...wishes }: Wishes = {}): AsyncGenerator<BatchItem, void> {
      const response = await post("metadata/batch", { ...wishes, urls }, "application/x-ndjson", signal);
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      let begun = "";
      for (let missing = urls.length; missing > 0;) {
        const { value = "", done = true } = (await reader?.read().catch(() => signal?.throwIfAborted())) ?? {};
        if (done) throw new NoAnswerError(`the answer broke off, ${missing} URLs before its end`);
        const lines = (begun + value).split("\n");
        begun = lines.pop() ?? "";
        missing -= lines.length;
        for (const line of lines) yield JSON.parse(line) as BatchItem;
      }
    },
  };
}
