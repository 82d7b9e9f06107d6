import type { Socket } from "node:net";
import { OracleError } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";
import type { CacheHeaders, Validators } from "../domain/terms.ts";
import { type Body, createIncomingBody, type IncomingBody } from "./body.ts";
import type { ByteBudget, ByteLender } from "../domain/byte-budget.ts";
import { type ConnectOptions, createConnect } from "./connect.ts";
import { createCookies } from "./cookies.ts";
import { exchange, type ExchangeControl, type Response, type ResponseHead } from "./exchange.ts";
import { declaredTypeOf, filenameOf, singleHeader } from "./headers.ts";
import type { HostHealth } from "./host-health.ts";
import { absoluteLocation, locationOf } from "./location.ts";
import { isSuccess, openBody } from "./open-body.ts";
import type { PartialBodies } from "./partial-bodies.ts";
import { createRangeReader, isRange, type OpenRange, type Range, rangeHeaders, restOf } from "./ranges.ts";
import { conditionsOf, cacheHeadersOf, urlHash } from "./terms.ts";
import type { Meter, Transfer } from "../domain/transfer.ts";

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
  /** Length of the file by `Content-Length` or `Content-Range`; null if unknown, or if the body is encoded. */
  readonly declaredBytes: number | null;
  /** Whether `declaredBytes` exceeds `maxBytes`: {@link body} reads only the head. */
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
  /** The bytes so far, without waiting. */
  readonly received: Uint8Array;
  /** How the body ended; null while it arrives. */
  readonly outcome: Body | null;
  /**
   * Requests a part of the body on a connection of its own: a range request (RFC 9110 14.2) to the final URL after redirects.
   *
   * Resolves with exactly these bytes, valid until the source is closed. Null if the range is too long, if the server
   * ignores ranges (200) or refuses them (416), or if the file has changed since the first response (`If-Range`, length,
   * validators). After a null this source sends no further range request. Never rejects.
   *
   * @param from offset in bytes; not 0, which Prosody's upload module refuses
   * @param to excluded
   */
  range(from: number, to: number): Promise<Uint8Array | null>;
  /** Closes the connection and returns the body's memory, which must not be read afterwards. May be called twice. */
  close(): void;
}

export interface SourceOptions extends ConnectOptions {
  /** For the targets of redirects. */
  readonly parseTarget: (text: string) => Target;
  readonly hostHealth: HostHealth;
  readonly budget: ByteBudget;
  /** Beginnings of bodies that arrived too slowly, for the next lookup to continue. */
  readonly partialBodies: PartialBodies;
  readonly maxBytes: number;
  /** Size of the head: read of a body larger than `maxBytes`, and ahead of the first request for bytes. */
  readonly headBytes: number;
  /** Redirects to follow; the next one fails with `source_redirects`. */
  readonly maxRedirects: number;
  readonly userAgent: string;
}

/** The part that is read of a body whose declared length is too large: nearly all pictures have their dimensions in it. */
export const sourceLimits = { headBytes: 64 * 1024 };

interface HopResponse {
  readonly response: Response;
  /** Null if the response has none that is read. */
  readonly body: IncomingBody | null;
}

export function createSource(options: SourceOptions): OpenSource {
  const connect = createConnect(options);
  const headers = {
    "user-agent": options.userAgent,
    accept: "image/*, video/*, audio/*, */*;q=0.5",
    // With a Content-Encoding, Content-Length is not the size of the file, and there are no ranges of it.
    "accept-encoding": "identity",
  };

  return (target, validators, transfer) => whileWaiting(transfer, () => openTarget(target, validators, transfer));

  async function openTarget(
    target: Target,
    validators: Validators | null,
    transfer: Transfer,
  ): Promise<Source | NotModified> {
    const cookies = createCookies();
    let hop = target;
    for (let redirects = 0; ; redirects += 1) {
      // If a redirect has a new target, the validators of the old target must not be sent to it.
      const hash = urlHash(hop);
      const sent = validators?.urlHash === hash ? validators : null;
      const place = hop.via ?? hop.url;
      const hopResponse = await ask(hop, sent, cookies.headersFor(place), transfer);
      const { response } = hopResponse;
      const terms = cacheHeadersOf(response.headers, hash, redirects > 0);
      if (hopResponse.body) return openedSource(hop, hopResponse, hopResponse.body, terms, transfer);
      if (isSuccess(response)) return codedSourceOf(response, terms);
      if (sent && response.status === 304) return notModified(terms, sent);
      const location = locationOf(response);
      if (location === null) throw statusError(hop, response);
      if (redirects === options.maxRedirects) {
        throw new OracleError("source_redirects", `more than ${options.maxRedirects} redirects`);
      }
      cookies.store(place, response.headers);
      hop = follow(hop, location);
    }
  }

  /**
   * Sends one request, unless the circuit breaker or a Retry-After backoff prevents it.
   *
   * If an earlier transfer of the body was too slow, only the rest is requested. `If-Range` makes the origin send the whole
   * body instead if the file has changed; a server that refuses the range is asked again without one.
   */
  async function ask(
    target: Target,
    validators: Validators | null,
    cookies: Readonly<Record<string, string>>,
    transfer: Transfer,
  ): Promise<HopResponse> {
    const partial = options.partialBodies.take(urlHash(target));
    const rest = partial && restOf(partial);
    const { socket, lender } = await connectHop(target, transfer.signal);
    const more = { ...cookies, ...(rest ? rangeHeaders(rest) : validators ? conditionsOf(validators) : {}) };
    const { signal } = transfer;
    const { response, body } = await askOver(socket, target, more, signal, (head, control) => {
      const limits = { lender, meter: transfer, maxBytes: options.maxBytes, headBytes: options.headBytes };
      if (partial && rest && isRange(head, rest)) {
        return createIncomingBody({ ...limits, declaredBytes: partial.length, beginning: partial.bytes });
      }
      const isOtherRange = partial !== null && head.status === 206;
      return isOtherRange ? null : openBody(head, { ...limits, signal }, control);
    });
    const isPart = response.status === 206;
    if (partial && !body && (isPart || response.status === 416)) return ask(target, validators, cookies, transfer);
    if (!partial || !isPart) return { response, body };
    // A 206 need not repeat the headers of the first response (RFC 9110 15.3.7).
    const headers = { ...partial.headers, ...response.headers };
    return { response: { ...response, headers }, body };
  }

  async function connectHop(target: Target, signal: AbortSignal): Promise<{ socket: Socket; lender: ByteLender }> {
    const socket = await connectIfHealthy(target, signal);
    return { socket, lender: lenderFor(target, socket) };
  }

  /** Connects and reports the result to the circuit breaker, which counts only connections: see host-health.ts. */
  async function connectIfHealthy(target: Target, signal: AbortSignal): Promise<Socket> {
    // Per hop: a redirect to a dead host must not open the breaker of the redirecting host.
    using attempt = options.hostHealth.beginConnection(originOf(target));
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
    accept: (head: ResponseHead, control: ExchangeControl) => IncomingBody | null,
  ): Promise<HopResponse> {
    const { pathname, search } = target.via ?? target.url;
    const request = { host: target.url.host, path: pathname + search, headers: { ...headers, ...more } };
    let body: IncomingBody | null = null;
    const response = await exchange(socket, request, signal, (head, control) => (body = accept(head, control)));
    return { response, body };
  }

  function lenderFor(target: Target, socket: Socket): ByteLender {
    return options.budget.lenderTo(options.shares.siteOfBody(target, socket.remoteAddress ?? ""));
  }

  /** Sends a range request; null if the response is not exactly this range of the same file. */
  async function askRange(hop: Target, range: Range, transfer: Transfer): Promise<OpenRange | null> {
    const rangeBytes = range.to - range.from;
    const { socket, lender } = await connectHop(hop, transfer.signal);
    const { response, body } = await askOver(socket, hop, rangeHeaders(range), transfer.signal, (head) => {
      if (!isRange(head, range)) return null;
      const limits = { maxBytes: rangeBytes, headBytes: rangeBytes, declaredBytes: null };
      return createIncomingBody({ lender, meter: transfer, ...limits });
    });
    if (!body) backOffIfBusy(hop, response);
    return body && { response, body };
  }

  function openedSource(
    hop: Target,
    { response }: HopResponse,
    body: IncomingBody,
    terms: CacheHeaders,
    transfer: Transfer,
  ): Source {
    const { headers } = response;
    const { declaredBytes } = body;
    const { validators } = terms;
    const ranges = createRangeReader({
      declaredBytes,
      validators,
      ask: (range) => whileWaiting(transfer, () => askRange(hop, range, transfer)),
    });

    function close(): void {
      const { outcome } = body;
      const isTooSlow = outcome?.warning === "body_timeout" || outcome?.warning === "body_truncated";
      if (isTooSlow && validators && declaredBytes !== null && outcome.bytes.byteLength < declaredBytes) {
        options.partialBodies.keep({ bytes: outcome.bytes, length: declaredBytes, validators, headers });
      }
      response.close();
      body.release();
      ranges.close();
    }

    return {
      isNotModified: false,
      terms,
      declaredBytes,
      isTooLarge: declaredBytes !== null && declaredBytes > options.maxBytes,
      declaredType: declaredTypeOf(headers),
      filename: filenameOf(headers),
      get received() {
        return body.received;
      },
      get outcome() {
        return body.outcome;
      },
      ...resumeOnDemand(response, body),
      stop() {
        response.close();
        body.stop();
      },
      range: (from, to) => ranges.read(from, to),
      close,
      [Symbol.dispose]: close,
    };
  }

  function statusError(hop: Target, { status, headers }: Response): OracleError {
    const retryAfterMs = backOffIfBusy(hop, { status, headers });
    const backoff = retryAfterMs === null ? {} : { retryAfterMs };
    return new OracleError("source_status", `status ${status}`, { upstreamStatus: status, ...backoff });
  }

  /** Begins the Retry-After backoff of an origin that answers 429 or 503; returns its length in milliseconds, else null. */
  function backOffIfBusy(hop: Target, { status, headers }: ResponseHead): number | null {
    if (status !== 429 && status !== 503) return null;
    return options.hostHealth.backOff(originOf(hop), status, singleHeader(headers, "retry-after"));
  }

  /** Parses `Location` like the first URL: with the strict parser (SSRF guard), not one that repairs URLs. */
  function follow(hop: Target, location: string): Target {
    try {
      return options.parseTarget(absoluteLocation(location, hop.url));
    } catch (error) {
      const refusal = error instanceof OracleError ? error.refusal : undefined;
      throw new OracleError("source_unreachable", "a redirect to an unsupported URL", { reason: "redirect", refusal });
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

/** Checks for a failed connection that is the fault of the host, not of the SSRF guard or a limit (other codes). */
function isUnreachable(error: unknown): boolean {
  return error instanceof OracleError && error.code === "source_unreachable" && error.reason !== "address";
}

/** Resumes the response after backpressure whenever the caller requests more of the body. */
function resumeOnDemand(response: Response, body: IncomingBody): Pick<IncomingBody, "arrived" | "body"> {
  const resumed = <Result>(result: Result): Result => {
    response.resume();
    return result;
  };
  return { arrived: (bytes) => resumed(body.arrived(bytes)), body: () => resumed(body.body()) };
}

/** Skips a body with a coding that is not decoded. Its Content-Length is not the size of the file. */
function codedSourceOf({ headers, close }: Response, terms: CacheHeaders): Source {
  const nothing = new Uint8Array(0);
  const body: Body = { bytes: nothing, sha256: null, warning: "body_encoded" };
  return {
    isNotModified: false,
    terms,
    declaredBytes: null,
    isTooLarge: false,
    declaredType: declaredTypeOf(headers),
    filename: filenameOf(headers),
    arrived: () => Promise.resolve(nothing),
    body: () => Promise.resolve(body),
    stop: close,
    received: nothing,
    outcome: body,
    range: () => Promise.resolve(null),
    close,
    [Symbol.dispose]: close,
  };
}

/** Completes the headers of a 304 with the earlier validators (RFC 9111 4.3.4). */
function notModified(terms: CacheHeaders, sent: Validators): NotModified {
  const { etag, lastModified } = terms.validators ?? sent;
  return {
    isNotModified: true,
    terms: {
      ...terms,
      lastModified: terms.lastModified ?? sent.lastModified ?? undefined,
      validators: { ...sent, etag: etag ?? sent.etag, lastModified: lastModified ?? sent.lastModified },
    },
    [Symbol.dispose]: () => undefined, // its connection is closed already
  };
}
