import { OracleError } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";
import { type Body, createIncomingBody, type IncomingBody } from "./body.ts";
import type { Breaker } from "./breaker.ts";
import type { ByteBudget } from "./budget.ts";
import { type ConnectOptions, createConnect } from "./connect.ts";
import { exchange, type Response, type ResponseHead } from "./exchange.ts";
import { declaredBytesOf, declaredTypeOf, filenameOf, isCoded, singleHeader } from "./headers.ts";
import { portOf } from "./target.ts";

export type { Body } from "./body.ts";

/**
 * Opens a target: follows redirects, each checked like the first, and resolves when the head of a success is there.
 *
 * @param signal the end of the whole fetch, body included: it destroys the connection at once
 * @throws OracleError `source_unreachable`, `source_status`, `source_redirects`, `source_protocol`, `overloaded`
 */
export type OpenSource = (target: Target, signal: AbortSignal) => Promise<Source>;

/** A response with success, its body coming in by itself; disposed of, it is closed. */
export interface Source extends Disposable {
  /** `Content-Length`, where it is there and says what the size is. */
  readonly declaredBytes: number | null;
  /** `type/subtype` of `Content-Type`, lower case. */
  readonly declaredType: string | null;
  /** Of `Content-Disposition`: no separators, no control characters, at most 255 characters. */
  readonly filename: string | null;
  /**
   * The first bytes, as soon as that many came; fewer where the body ended, was cut or took too long.
   *
   * @throws OracleError `overloaded`, nothing else
   */
  head(bytes: number): Promise<Uint8Array>;
  /** At the end, the limit, a cut or the signal. @throws OracleError `overloaded`, nothing else */
  body(): Promise<Body>;
  /** Ends the connection and gives the body's memory back: nobody may read it any more. May be called twice. */
  close(): void;
}

export interface SourceOptions extends ConnectOptions {
  /** For the targets of redirects. */
  readonly parseTarget: (text: string) => Target;
  readonly breaker: Breaker;
  readonly budget: ByteBudget;
  readonly maxBytes: number;
  /** What is read of a body that is larger than `maxBytes`. */
  readonly headBytes: number;
  /** How many are followed; the next one is `source_redirects`. */
  readonly maxRedirects: number;
  readonly userAgent: string;
}

interface Answer {
  readonly response: Response;
  readonly body: IncomingBody | null;
}

// 300 and 304 are answers, not redirects: the one leaves the choice to the reader, the other was not asked for.
const redirectStatuses = new Set([301, 302, 303, 307, 308]);

export function createSource(options: SourceOptions): OpenSource {
  const connect = createConnect(options);
  const headers = {
    "user-agent": options.userAgent,
    accept: "image/*, video/*, audio/*, */*;q=0.5",
    // A small coded body may be a large one, and its size is not the representation's.
    "accept-encoding": "identity",
  };

  return async (target, signal) => {
    let hop = target;
    for (let redirects = 0; ; redirects += 1) {
      const { response, body } = await ask(hop, signal);
      if (body) return sourceOf(response, body);
      if (isSuccess(response)) return codedSourceOf(response);
      const location = locationOf(response);
      if (location === null) {
        throw new OracleError("source_status", `status ${response.status}`, { upstreamStatus: response.status });
      }
      if (redirects === options.maxRedirects) {
        throw new OracleError("source_redirects", `more than ${options.maxRedirects} redirects`);
      }
      hop = follow(hop, location);
    }
  };

  /** One request, unless the host is one that does not answer. */
  async function ask(target: Target, signal: AbortSignal): Promise<Answer> {
    const place = target.via ?? target.url;
    // Each hop by itself: a redirect to a dead host must not shut off the one that said it.
    using attempt = options.breaker.begin(`${place.hostname}:${portOf(place)}`);
    const began = performance.now();
    try {
      const answer = await askOnce(target, signal);
      attempt.answered();
      return answer;
    } catch (error) {
      // Who came last, with no time left after slow redirects, tells nothing of the host.
      const wasGivenTime = !signal.aborted || performance.now() - began >= options.connectTimeoutMs;
      if (isSilence(error) && wasGivenTime) attempt.failed();
      throw error;
    }
  }

  /** Where there is no body, none is wanted, and the connection is gone already. */
  async function askOnce(target: Target, signal: AbortSignal): Promise<Answer> {
    const socket = await connect(target, signal);
    const { pathname, search } = target.via ?? target.url;
    const request = { host: target.url.host, path: pathname + search, headers };
    let body: IncomingBody | null = null;
    const response = await exchange(socket, request, signal, (head) => {
      if (!isSuccess(head) || isCoded(head.headers)) return null;
      const { budget, maxBytes, headBytes } = options;
      body = createIncomingBody({ budget, maxBytes, headBytes, declaredBytes: declaredBytesOf(head.headers) });
      return body;
    });
    return { response, body };
  }

  /** The text of `Location` goes through the same parser as the first URL did, not through one that repairs it. */
  function follow(hop: Target, location: string): Target {
    try {
      return options.parseTarget(absolute(location, hop.url));
    } catch {
      throw new OracleError("source_unreachable", "a redirect to what is not looked up", { reason: "redirect" });
    }
  }
}

/** 203 is a success that somebody in between has altered. 206 would be a part of something: we asked for no range. */
function isSuccess({ status }: ResponseHead): boolean {
  return status === 200 || status === 203;
}

/** Whether a host was asked, or was to be, and no head came. What our own address policy refuses is not the host's silence. */
function isSilence(error: unknown): boolean {
  return error instanceof OracleError && error.code === "source_unreachable" && error.reason !== "address";
}

function sourceOf(response: Response, body: IncomingBody): Source {
  const { headers } = response;
  function close() {
    response.close();
    body.release();
  }
  return {
    declaredBytes: declaredBytesOf(headers),
    declaredType: declaredTypeOf(headers),
    filename: filenameOf(headers),
    head: (bytes) => body.head(bytes),
    body: () => body.body(),
    close,
    [Symbol.dispose]: close,
  };
}

/** Nothing of a coded body is read: no decoder, no bomb. Who codes what was asked for plain has told no size either. */
function codedSourceOf({ headers, close }: Response): Source {
  const nothing = new Uint8Array(0);
  return {
    declaredBytes: null,
    declaredType: declaredTypeOf(headers),
    filename: filenameOf(headers),
    head: () => Promise.resolve(nothing),
    body: () => Promise.resolve({ bytes: nothing, sha256: null, warning: "body_encoded" }),
    close,
    [Symbol.dispose]: close,
  };
}

/** Where a redirect leads to, as text, or null where it leads nowhere. */
function locationOf({ status, headers }: ResponseHead): string | null {
  if (!redirectStatuses.has(status)) return null;
  if (Array.isArray(headers.location)) throw new OracleError("source_protocol", "not HTTP: two locations");
  return singleHeader(headers, "location");
}

/**
 * An absolute URL in the location's own spelling where that has a host, so that the strict parser sees it.
 *
 * @throws where it can be no URL
 */
function absolute(location: string, base: URL): string {
  // Header text is bytes: percent-encoded one by one, a path stays what the server meant in whatever encoding.
  const text = location.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) return text;
  if (text.startsWith("//")) return base.protocol + text;
  // `/\host` and `/<tab>/host` are hosts to the parser that resolves them: refused by what the strict one refuses.
  if (/[\s\\\p{Cc}]/u.test(text)) throw new Error("a character that URLs cannot have");
  return new URL(text, base).href;
}
