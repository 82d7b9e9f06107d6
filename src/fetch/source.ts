import type { Socket } from "node:net";
import { OracleError } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";
import type { CacheHeaders, Validators } from "../domain/terms.ts";
import { type Body, createIncomingBody, type IncomingBody } from "./body.ts";
import type { Breaker } from "./circuit-breaker.ts";
import type { ByteBudget, ByteLender } from "../load/byte-budget.ts";
import { type ConnectOptions, createConnect } from "./connect.ts";
import { exchange, type Response, type ResponseHead } from "./exchange.ts";
import { declaredBytesOf, declaredTypeOf, filenameOf, isCoded, singleHeader } from "./headers.ts";
import type { Pauses } from "./pauses.ts";
import { conditionsOf, cacheHeadersOf, urlHash } from "./terms.ts";
import type { Meter, Transfer } from "../load/transfers.ts";

export type { Body } from "./body.ts";

/**
 * Opens a target: follows redirects, each checked like the first URL, and resolves with the head of a success.
 *
 * @param validators of an earlier response, for a conditional request: the origin may respond with 304 and no body
 * @param transfer its signal ends the whole fetch, body included: it destroys the connection at once
 * @throws OracleError `source_unreachable`, `source_status`, `source_redirects`, `source_protocol`, `host_busy`, `overloaded`
 */
export type OpenSource = (
  target: Target,
  validators: Validators | null,
  transfer: Transfer,
) => Promise<Source | NotModified>;

/** 304 Not Modified, the response to a conditional request. The connection is closed. */
export interface NotModified extends Disposable {
  readonly isNotModified: true;
  readonly terms: CacheHeaders;
}

/** A successful response; its body arrives in the background. Disposing closes it. */
export interface Source extends Disposable {
  readonly isNotModified: false;
  readonly terms: CacheHeaders;
  /** `Content-Length` in bytes; null if absent or malformed, or if the body is encoded. */
  readonly declaredBytes: number | null;
  /** Whether `declaredBytes` exceeds `maxBytes`: only the head will be read. */
  readonly isTooLarge: boolean;
  /** `type/subtype` of `Content-Type`, in lower case. */
  readonly declaredType: string | null;
  /** From `Content-Disposition`: no separators, no control characters, at most 255 characters. */
  readonly filename: string | null;
  /**
   * Resolves with all bytes so far once they are at least `bytes`, or once the body has ended, was cut or timed out.
   * Inspect them before the next `await`: the buffer is lent and reused.
   *
   * @throws OracleError `overloaded` or `host_busy`: no memory; nothing else
   */
  arrived(bytes: number): Promise<Uint8Array>;
  /**
   * Resolves at the end of the body, at the limit, a cut, the abort signal or a stop.
   *
   * @throws OracleError `overloaded` or `host_busy`: no memory; nothing else
   */
  body(): Promise<Body>;
  /** Closes the connection and ends the body with the bytes so far; it is complete if it has ended already. */
  stop(): void;
  /**
   * Requests only the end of the body: a range request (RFC 9110 14) to the final URL after redirects.
   *
   * Null if the tail is too long, if the server ignores ranges (200) or refuses them (416), or if the length has
   * changed. Never rejects.
   *
   * @param from offset in bytes; not 0, which Prosody's upload module refuses
   */
  tail(from: number): Promise<Tail | null>;
  /** Closes the connection and returns the body's memory, which must not be read afterwards. May be called twice. */
  close(): void;
}

/** The end of a body, arriving in the background. Disposing closes it. */
export interface Tail extends Disposable {
  /** @throws OracleError `overloaded` or `host_busy`: no memory; nothing else */
  body(): Promise<Body>;
}

export interface SourceOptions extends ConnectOptions {
  /** For the targets of redirects. */
  readonly parseTarget: (text: string) => Target;
  readonly breaker: Breaker;
  readonly pauses: Pauses;
  readonly budget: ByteBudget;
  readonly maxBytes: number;
  /** Size of the head: read of a body larger than `maxBytes`, and ahead of the first request for bytes. */
  readonly headBytes: number;
  /** Redirects to follow; the next one fails with `source_redirects`. */
  readonly maxRedirects: number;
  readonly userAgent: string;
}

// Enough for the index of a film of three hours.
const maxTailBytes = 8 * 1024 * 1024;

interface HopResponse {
  readonly response: Response;
  readonly body: IncomingBody | null;
}

// Without 300, which leaves the choice to the reader, and 304: an unrequested one is an error status.
const redirectStatuses = new Set([301, 302, 303, 307, 308]);

export function createSource(options: SourceOptions): OpenSource {
  const connect = createConnect(options);
  const headers = {
    "user-agent": options.userAgent,
    accept: "image/*, video/*, audio/*, */*;q=0.5",
    // Content-Encoding would hide decompression bombs, and Content-Length would not be the size of the file.
    "accept-encoding": "identity",
  };

  return (target, validators, transfer) => whileWaiting(transfer, () => openTarget(target, validators, transfer));

  async function openTarget(
    target: Target,
    validators: Validators | null,
    transfer: Transfer,
  ): Promise<Source | NotModified> {
    let hop = target;
    for (let redirects = 0; ; redirects += 1) {
      // If a redirect has a new target, the validators of the old target must not be sent to it.
      const hash = urlHash(hop);
      const asked = validators?.urlHash === hash ? validators : null;
      const { response, body } = await ask(hop, asked, transfer);
      const terms = cacheHeadersOf(response.headers, hash, redirects > 0);
      if (body) return openedSource(hop, response, terms, body, transfer);
      if (isSuccess(response)) return codedSourceOf(response, terms);
      if (asked && response.status === 304) return notModified(terms, asked);
      const location = locationOf(response);
      if (location === null) throw statusError(hop, response);
      if (redirects === options.maxRedirects) {
        throw new OracleError("source_redirects", `more than ${options.maxRedirects} redirects`);
      }
      hop = follow(hop, location);
    }
  }

  /** Sends one request, unless the circuit breaker or a Retry-After backoff prevents it. */
  async function ask(target: Target, validators: Validators | null, transfer: Transfer): Promise<HopResponse> {
    // Per hop: a redirect to a dead host must not open the breaker of the redirecting host.
    options.pauses.check(originOf(target));
    const socket = await connectOrBreak(target, transfer.signal);
    const lender = lenderFor(target, socket);
    return askOver(socket, target, validators ? conditionsOf(validators) : {}, transfer.signal, (head) => {
      if (!isSuccess(head) || isCoded(head.headers)) return null;
      const { maxBytes, headBytes } = options;
      const declaredBytes = declaredBytesOf(head.headers);
      return createIncomingBody({ lender, meter: transfer, maxBytes, headBytes, declaredBytes });
    });
  }

  /** Connects and reports the result to the circuit breaker, which counts only connections: see circuit-breaker.ts. */
  async function connectOrBreak(target: Target, signal: AbortSignal): Promise<Socket> {
    using attempt = options.breaker.begin(originOf(target));
    const began = performance.now();
    try {
      const socket = await connect(target, signal);
      attempt.succeeded();
      return socket;
    } catch (error) {
      // A connect attempt with too little time left, after slow redirects, is no evidence.
      const hadTime = !signal.aborted || performance.now() - began >= options.connectTimeoutMs;
      if (isUnreachable(error) && hadTime) attempt.failed();
      throw error;
    }
  }

  /** Sends one request over a new connection. If `accept` returns null, the body is null and the connection closed. */
  async function askOver(
    socket: Socket,
    target: Target,
    more: Readonly<Record<string, string>>,
    signal: AbortSignal,
    accept: (head: ResponseHead) => IncomingBody | null,
  ): Promise<HopResponse> {
    const { pathname, search } = target.via ?? target.url;
    const request = { host: target.url.host, path: pathname + search, headers: { ...headers, ...more } };
    let body: IncomingBody | null = null;
    const response = await exchange(socket, request, signal, (head) => (body = accept(head)));
    return { response, body };
  }

  function lenderFor(target: Target, socket: Socket): ByteLender {
    return options.budget.lenderTo(options.shares.siteOfBody(target, socket.remoteAddress ?? ""));
  }

  async function askTail(hop: Target, from: number, total: number, transfer: Transfer): Promise<Tail | null> {
    const maxBytes = total - from;
    if (from <= 0 || maxBytes <= 0 || maxBytes > maxTailBytes) return null;
    const socket = await connect(hop, transfer.signal);
    const lender = lenderFor(hop, socket);
    const { response, body } = await askOver(socket, hop, { range: `bytes=${from}-` }, transfer.signal, (head) => {
      if (!isTail(head, from, total) || isCoded(head.headers)) return null;
      return createIncomingBody({ lender, meter: transfer, maxBytes, headBytes: maxBytes, declaredBytes: null });
    });
    return body && { ...resumeOnDemand(response, body), [Symbol.dispose]: () => closeBoth(response, body) };
  }

  function openedSource(
    hop: Target,
    response: Response,
    terms: CacheHeaders,
    body: IncomingBody,
    transfer: Transfer,
  ): Source {
    const { headers } = response;
    const declaredBytes = declaredBytesOf(headers);
    const close = () => closeBoth(response, body);
    return {
      isNotModified: false,
      terms,
      declaredBytes,
      isTooLarge: declaredBytes !== null && declaredBytes > options.maxBytes,
      declaredType: declaredTypeOf(headers),
      filename: filenameOf(headers),
      ...resumeOnDemand(response, body),
      stop() {
        response.close();
        body.stop();
      },
      async tail(from) {
        if (declaredBytes === null) return null;
        // No connection or no response: no tail.
        return whileWaiting(transfer, () => askTail(hop, from, declaredBytes, transfer)).catch(() => null);
      },
      close,
      [Symbol.dispose]: close,
    };
  }

  function statusError(hop: Target, { status, headers }: Response): OracleError {
    const retryAfter = singleHeader(headers, "retry-after");
    const isBusy = status === 429 || status === 503;
    const pause = isBusy ? { retryAfterMs: options.pauses.begin(originOf(hop), status, retryAfter) } : {};
    return new OracleError("source_status", `status ${status}`, { upstreamStatus: status, ...pause });
  }

  /** Parses `Location` like the first URL: with the strict parser (SSRF guard), not one that repairs URLs. */
  function follow(hop: Target, location: string): Target {
    try {
      return options.parseTarget(absolute(location, hop.url));
    } catch {
      throw new OracleError("source_unreachable", "a redirect to an unsupported URL", { reason: "redirect" });
    }
  }
}

/** Runs the work, and counts its time as waiting for the origin. */
async function whileWaiting<Result>(meter: Meter, work: () => Promise<Result>): Promise<Result> {
  const endWait = meter.wait();
  try {
    return await work();
  } finally {
    endWait();
  }
}

/** Returns scheme, host and port of the connection. */
function originOf({ url, via }: Target): string {
  return (via ?? url).origin;
}

/** Accepts 200 and 203, a success that a proxy has altered. Not 206, a part: we sent no Range. */
function isSuccess({ status }: ResponseHead): boolean {
  return status === 200 || status === 203;
}

/** Checks for a failed connection that is the fault of the host, not of the SSRF guard or a limit (other codes). */
function isUnreachable(error: unknown): boolean {
  return error instanceof OracleError && error.code === "source_unreachable" && error.reason !== "address";
}

/** Checks for the complete rest of the body, with an unchanged total length (RFC 9110 14.4). */
function isTail({ status, headers }: ResponseHead, from: number, total: number): boolean {
  return status === 206 && singleHeader(headers, "content-range") === `bytes ${from}-${total - 1}/${total}`;
}

/** Resumes the response after backpressure whenever the caller requests more of the body. */
function resumeOnDemand(response: Response, body: IncomingBody): Pick<IncomingBody, "arrived" | "body"> {
  const resumed = <Result>(result: Result): Result => {
    response.resume();
    return result;
  };
  return { arrived: (bytes) => resumed(body.arrived(bytes)), body: () => resumed(body.body()) };
}

function closeBoth(response: Response, body: IncomingBody): void {
  response.close();
  body.release();
}

/** Skips a body with Content-Encoding: without a decoder, no decompression bomb. Its Content-Length is not the size. */
function codedSourceOf({ headers, close }: Response, terms: CacheHeaders): Source {
  const nothing = new Uint8Array(0);
  return {
    isNotModified: false,
    terms,
    declaredBytes: null,
    isTooLarge: false,
    declaredType: declaredTypeOf(headers),
    filename: filenameOf(headers),
    arrived: () => Promise.resolve(nothing),
    body: () => Promise.resolve({ bytes: nothing, sha256: null, warning: "body_encoded" }),
    stop: close,
    tail: () => Promise.resolve(null),
    close,
    [Symbol.dispose]: close,
  };
}

/** Completes the headers of a 304 with the earlier validators (RFC 9111 4.3.4). */
function notModified(terms: CacheHeaders, asked: Validators): NotModified {
  const { etag, lastModified } = terms.validators ?? asked;
  return {
    isNotModified: true,
    terms: {
      ...terms,
      lastModified: terms.lastModified ?? asked.lastModified ?? undefined,
      validators: { ...asked, etag: etag ?? asked.etag, lastModified: lastModified ?? asked.lastModified },
    },
    [Symbol.dispose]: () => undefined, // its connection is closed already
  };
}

/** Returns the text of `Location`, or null if this is no redirect or has none. */
function locationOf({ status, headers }: ResponseHead): string | null {
  if (!redirectStatuses.has(status)) return null;
  if (Array.isArray(headers.location)) throw new OracleError("source_protocol", "not HTTP: two locations");
  return singleHeader(headers, "location");
}

/**
 * Returns an absolute URL. A location with a host keeps its spelling, so that the strict parser sees it.
 *
 * @throws if it cannot be a URL
 */
function absolute(location: string, base: URL): string {
  // Header text is bytes: percent-encoding each byte preserves the path in any charset.
  const text = location.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) return text;
  if (text.startsWith("//")) return base.protocol + text;
  // The WHATWG parser reads a host in `/\host` and `/<tab>/host`: reject the characters that the strict parser rejects.
  if (/[\s\\\p{Cc}]/u.test(text)) throw new Error("a character that URLs cannot have");
  return new URL(text, base).href;
}
