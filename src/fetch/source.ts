import type { Socket } from "node:net";
import { OracleError } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";
import type { CacheHeaders, Validators } from "../domain/terms.ts";
import { type Body, createIncomingBody, type IncomingBody } from "./body.ts";
import type { ByteBudget, ByteLender } from "../domain/byte-budget.ts";
import { type ConnectOptions, createConnect } from "./connect.ts";
import { createCookies } from "./cookies.ts";
import { exchange, type Response, type ResponseHead } from "./exchange.ts";
import { declaredBytesOf, declaredTypeOf, filenameOf, isCoded, singleHeader } from "./headers.ts";
import type { HostHealth } from "./host-health.ts";
import type { PartialBodies, PartialBody } from "./partial-bodies.ts";
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
  /** `Content-Length` in bytes; null if absent or malformed, or if the body is encoded. */
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

// Enough for the index of a film of three hours.
const maxRangeBytes = 8 * 1024 * 1024;

interface HopResponse {
  readonly response: Response;
  /** Null if the response has none that is read. */
  readonly body: IncomingBody | null;
  /** Length of the whole body; null if unknown. */
  readonly declaredBytes: number | null;
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
    const { response, body } = await askOver(socket, target, more, transfer.signal, (head) => {
      const limits = { maxBytes: options.maxBytes, headBytes: options.headBytes };
      if (partial && rest && isRange(head, rest)) {
        const { bytes: beginning, length: declaredBytes } = partial;
        return createIncomingBody({ lender, meter: transfer, ...limits, declaredBytes, beginning });
      }
      if (!isSuccess(head) || isCoded(head.headers)) return null;
      return createIncomingBody({ lender, meter: transfer, ...limits, declaredBytes: declaredBytesOf(head.headers) });
    });
    const isPart = response.status === 206;
    if (partial && !body && (isPart || response.status === 416)) return ask(target, validators, cookies, transfer);
    if (!partial || !isPart) return { response, body, declaredBytes: declaredBytesOf(response.headers) };
    // A 206 need not repeat the headers of the first response (RFC 9110 15.3.7).
    const headers = { ...partial.headers, ...response.headers };
    return { response: { ...response, headers }, body, declaredBytes: partial.length };
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
    accept: (head: ResponseHead) => IncomingBody | null,
  ): Promise<Pick<HopResponse, "response" | "body">> {
    const { pathname, search } = target.via ?? target.url;
    const request = { host: target.url.host, path: pathname + search, headers: { ...headers, ...more } };
    let body: IncomingBody | null = null;
    const response = await exchange(socket, request, signal, (head) => (body = accept(head)));
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
    { response, declaredBytes }: HopResponse,
    body: IncomingBody,
    terms: CacheHeaders,
    transfer: Transfer,
  ): Source {
    const { headers } = response;
    const { validators } = terms;
    const ranges: OpenRange[] = [];
    let hasRanges = declaredBytes !== null;

    async function readRange(from: number, to: number): Promise<Uint8Array | null> {
      if (!hasRanges || from <= 0 || to <= from || to > (declaredBytes ?? 0) || to - from > maxRangeBytes) return null;
      hasRanges = false; // until this one is complete
      const range = { from, to, total: declaredBytes ?? 0, validators };
      // No connection or no response: no range.
      const opened = await whileWaiting(transfer, () => askRange(hop, range, transfer)).catch(() => null);
      if (!opened) return null;
      ranges.push(opened);
      const body = await opened.body.body().catch(() => null);
      if (!body || body.warning || body.bytes.byteLength !== to - from) return null;
      hasRanges = true;
      return body.bytes;
    }

    function close(): void {
      const { outcome } = body;
      const isTooSlow = outcome?.warning === "body_timeout" || outcome?.warning === "body_truncated";
      if (isTooSlow && validators && declaredBytes !== null && outcome.bytes.byteLength < declaredBytes) {
        options.partialBodies.keep({ bytes: outcome.bytes, length: declaredBytes, validators, headers });
      }
      closeBoth(response, body);
      for (const range of ranges) closeBoth(range.response, range.body);
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
      range: readRange,
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
      return options.parseTarget(absolute(location, hop.url));
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

/** Accepts 200 and 203, a success that a proxy has altered. Not 206, a part: we sent no Range. */
function isSuccess({ status }: ResponseHead): boolean {
  return status === 200 || status === 203;
}

/** Checks for a failed connection that is the fault of the host, not of the SSRF guard or a limit (other codes). */
function isUnreachable(error: unknown): boolean {
  return error instanceof OracleError && error.code === "source_unreachable" && error.reason !== "address";
}

/** A range of a file: `to` is excluded, `total` is the length of the whole file. */
interface Range {
  readonly from: number;
  readonly to: number;
  readonly total: number;
  /** Of the first response. */
  readonly validators: Validators | null;
}

/** A range that arrives. */
interface OpenRange {
  readonly response: Response;
  readonly body: IncomingBody;
}

/** The rest of a body, from where its earlier transfer ended. */
function restOf({ bytes, length, validators }: PartialBody): Range {
  return { from: bytes.byteLength, to: length, total: length, validators };
}

/** `If-Range` needs a strong validator (RFC 9110 13.1.5): a weak tag would make every server send the whole file. */
function rangeHeaders({ from, to, total, validators }: Range): Record<string, string> {
  const { etag = null, lastModified = null } = validators ?? {};
  const strong = etag?.startsWith('"') ? etag : lastModified;
  return { range: `bytes=${from}-${to === total ? "" : to - 1}`, ...(strong !== null && { "if-range": strong }) };
}

/**
 * Checks that a response is exactly this range of the same file: the bytes of two versions are never mixed.
 *
 * The validators are compared as well, because servers without `If-Range` send a range of whatever the file is now.
 */
function isRange({ status, headers }: ResponseHead, { from, to, total, validators }: Range): boolean {
  if (status !== 206 || isCoded(headers)) return false;
  if (singleHeader(headers, "content-range") !== `bytes ${from}-${to - 1}/${total}`) return false;
  const etag = singleHeader(headers, "etag");
  const lastModified = singleHeader(headers, "last-modified");
  // A 206 must repeat the tag (RFC 9110 15.3.7), but not the date.
  if (etag !== (validators?.etag ?? null)) return false;
  return lastModified === null || lastModified === (validators?.lastModified ?? null);
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
