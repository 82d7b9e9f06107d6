import type { components } from "./api.ts";

export type Metadata = components["schemas"]["Metadata"];
export type Problem = components["schemas"]["Problem"];
/** One result of a batch: `metadata` or `problem`. */
export type BatchItem = components["schemas"]["BatchItem"];

export interface ClientOptions {
  /** The service, like `http://127.0.0.1:8080`. */
  readonly baseUrl: string | URL;
  readonly token?: string | undefined;
  readonly fetch?: (url: URL, init: RequestInit) => Promise<Response>;
}

export interface DescribeOptions {
  /** Deadline: when it passes, the service responds with the metadata known so far. */
  readonly deadlineMs?: number | undefined;
  /** The fields that the caller needs; others may be null in the response. Default: all. */
  readonly fields?: readonly (keyof Metadata)[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly metadata: Metadata;
  readonly cacheStatus: string;
  /** Milliseconds that each stage took, from `Server-Timing`. */
  readonly timings: Readonly<Record<string, number>>;
}

/** The service responded with a problem document. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;
  /** From `Retry-After`; null without one. */
  readonly retryAfterMs: number | null;
  constructor(problem: Problem, retryAfter: string | null) {
    super(`${problem.title} (${problem.code})`);
    this.problem = problem;
    this.retryAfterMs = retryAfter === null ? null : Number(retryAfter) * 1000;
  }
}

/** There is no response, it is incomplete, or it is not from a media-oracle. */
export class NoAnswerError extends Error {
  readonly status: number | null = null; // of a response from another server, such as a proxy's 404
}

function json<T>(response: Response, signal?: AbortSignal): Promise<T> {
  return response.json().catch((error: unknown) => {
    signal?.throwIfAborted();
    throw new NoAnswerError("the response is incomplete", { cause: error });
  }) as Promise<T>;
}

/** Creates a client. Its methods throw a {@link ProblemError}, a {@link NoAnswerError}, or the reason of an aborted signal. */
export function createClient({ baseUrl, token, fetch = globalThis.fetch }: ClientOptions) {
  const base = String(baseUrl).replace(/\/*$/, "/");
  async function post(path: string, request: object, accept: string, signal?: AbortSignal): Promise<Response> {
    const headers = { accept, "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
    const init = { method: "POST", headers, body: JSON.stringify(request), signal: signal ?? null };
    const response = await fetch(new URL(path, base), init).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw new NoAnswerError(`no response from ${base}: is the service running?`, { cause: error });
    });
    const type = response.headers.get("content-type") ?? "";
    if (type.startsWith("application/problem+json")) {
      throw new ProblemError(await json<Problem>(response, signal), response.headers.get("retry-after"));
    }
    if (response.ok && type.startsWith(accept)) return response;
    throw Object.assign(new NoAnswerError(`${base} is not a media-oracle`), { status: response.status });
  }

  return {
    async describe(url: string, { signal, ...options }: DescribeOptions = {}): Promise<Answer> {
      const response = await post("metadata", { ...options, url }, "application/json", signal);
      const timings = (response.headers.get("server-timing") ?? "").matchAll(/(\w+);dur=([\d.]+)/g);
      return {
        metadata: await json<Metadata>(response, signal),
        cacheStatus: response.headers.get("cache-status") ?? "",
        timings: Object.fromEntries(Array.from(timings, ([, stage, took]) => [stage ?? "", Number(took)])),
      };
    },

    /** Describes up to 100 URLs, and yields each result as soon as it arrives. */
    async *describeAll(urls: readonly string[], options: DescribeOptions = {}): AsyncGenerator<BatchItem, void> {
      const { signal, ...limits } = options;
      const response = await post("metadata/batch", { ...limits, urls }, "application/x-ndjson", signal);
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      let partialLine = "";
      for (let missing = urls.length; missing > 0;) {
        const { value = "", done = true } = (await reader?.read().catch(() => signal?.throwIfAborted())) ?? {};
        if (done) throw new NoAnswerError(`the response is incomplete: ${missing} results are missing`);
        const lines = (partialLine + value).split("\n");
        partialLine = lines.pop() ?? "";
        missing -= lines.length;
        for (const line of lines) yield JSON.parse(line) as BatchItem;
      }
    },
  };
}
