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
 * Opens a target: follows redirects, each checked like the first, and resolves when the head of a success is there.
 *
 * @param validators from an earlier time: where they still hold, the source may say so instead of sending the body again
 * @param transfer its signal is the end of the whole fetch, body included: it destroys the connection at once
 * @throws OracleError `source_unreachable`, `source_status`, `source_redirects`, `source_protocol`, `host_busy`, `overloaded`
 */
export type OpenSource = (
  target: Target,
  validators: Validators | null,
  transfer: Transfer,
) => Promise<Source | NotModified>;

/** A source that said that what it sent with those validators still holds (304). Its connection is gone. */
export interface NotModified extends Disposable {
  readonly isNotModified: true;
  readonly terms: CacheHeaders;
}

/** A response with success, its body coming in by itself; disposed of, it is closed. */
export interface Source extends Disposable {
  readonly isNotModified: false;
  readonly terms: CacheHeaders;
  /** `Content-Length`, where it is there and says what the size is. */
  readonly declaredBytes: number | null;
  /** Whether that is more than is read of any body: only the head will come. */
  readonly isTooLarge: boolean;
  /** `type/subtype` of `Content-Type`, lower case. */
  readonly declaredType: string | null;
  /** Of `Content-Disposition`: no separators, no control characters, at most 255 characters. */
  readonly filename: string | null;
  /**
   * All that came, as soon as it is at least so many bytes; fewer where the body ended, was cut or took too long. To be
   * looked at before anything else is waited for: the memory is lent, and lent again.
   *
   * @throws OracleError `overloaded` or `host_busy`: no memory; nothing else
   */
  arrived(bytes: number): Promise<Uint8Array>;
  /** At the end, the limit, a cut, the signal or a stop. @throws OracleError `overloaded` or `host_busy`: no memory; nothing else */
  body(): Promise<Body>;
  /** Ends the connection: what came is the body, as a whole where its end came too. */
  stop(): void;
  /**
   * Asks for the end of the body alone (RFC 9110 14), by another request to where this one ended.
   *
   * Null where that is not to be had: it is long, the server does not know ranges (200), refuses them (416), or what it has by
   * now is of another length. Never rejects.
   *
   * @param from where it begins; not 0, which Prosody's upload module refuses
   */
  tail(from: number): Promise<Tail | null>;
  /** Ends the connection and gives the body's memory back: nobody may read it any more. May be called twice. */
  close(): void;
}

/** The end of a body, on its way; disposed of, it is closed. */
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
  /** What is read of a body that is larger than `maxBytes`, or before anybody wants it. */
  readonly headBytes: number;
  /** How many are followed; the next one is `source_redirects`. */
  readonly maxRedirects: number;
  readonly userAgent: string;
}

// The header of a film of three hours.
const maxTailBytes = 8 * 1024 * 1024;

interface HopResponse {
  readonly response: Response;
  readonly body: IncomingBody | null;
}

// 300 is an answer, not a redirect: it leaves the choice to the reader. So is a 304 that was not asked for.
const redirectStatuses = new Set([301, 302, 303, 307, 308]);

export function createSource(options: SourceOptions): OpenSource {
  const connect = createConnect(options);
  const headers = {
    "user-agent": options.userAgent,
    accept: "image/*, video/*, audio/*, */*;q=0.5",
    // A small coded body may be a large one, and its size is not the representation's.
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
      // A redirect that leads elsewhere by now must not be asked with the validators of where it led before.
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

  /** One request, unless the circuit breaker or a Retry-After backoff holds it off. */
  async function ask(target: Target, validators: Validators | null, transfer: Transfer): Promise<HopResponse> {
    // Each hop by itself: a redirect to a dead host must not open the breaker of the host that redirects.
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

  /** Connects and reports to the circuit breaker, which is about connections alone: see breaker.ts. */
  async function connectOrBreak(target: Target, signal: AbortSignal): Promise<Socket> {
    using attempt = options.breaker.begin(originOf(target));
    const began = performance.now();
    try {
      const socket = await connect(target, signal);
      attempt.succeeded();
      return socket;
    } catch (error) {
      // A lookup that came late, with too little time left after slow redirects, proves nothing.
      const hadTime = !signal.aborted || performance.now() - began >= options.connectTimeoutMs;
      if (isUnreachable(error) && hadTime) attempt.failed();
      throw error;
    }
  }

  /** Sends one request over a new connection. The body is null if `accept` wants none; the connection is then closed. */
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
        // No connection, no answer: no tail.
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

  /** The text of `Location` goes through the same parser as the first URL did, not through one that repairs it. */
  function follow(hop: Target, location: string): Target {
    try {
      return options.parseTarget(absolute(location, hop.url));
    } catch {
      throw new OracleError("source_unreachable", "a redirect to what is not looked up", { reason: "redirect" });
    }
  }
}

/** Counts the time of the work as waiting for the origin. */
async function whileWaiting<Result>(meter: Meter, work: () => Promise<Result>): Promise<Result> {
  const endWait = meter.wait();
  try {
    return await work();
  } finally {
    endWait();
  }
}

/** Scheme, host and port of the connection. */
function originOf({ url, via }: Target): string {
  return (via ?? url).origin;
}

/** 203 is a success that somebody in between has altered. 206 would be a part of something: we asked for no range. */
function isSuccess({ status }: ResponseHead): boolean {
  return status === 200 || status === 203;
}

/** Whether no connection stands and the host is to blame: not our address policy, and not a limit of ours (other codes). */
function isUnreachable(error: unknown): boolean {
  return error instanceof OracleError && error.code === "source_unreachable" && error.reason !== "address";
}

/** Whether this is all from there on of something that is still of the same length (RFC 9110 14.4). */
function isTail({ status, headers }: ResponseHead, from: number, total: number): boolean {
  return status === 206 && singleHeader(headers, "content-range") === `bytes ${from}-${total - 1}/${total}`;
}

/** Whatever is wanted of a body, the response goes on for it. */
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

/** Nothing of a coded body is read: no decoder, no bomb. Who codes what was asked for plain has told no size either. */
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

/** What such a response leaves out is as it was (RFC 9111 4.3.4). */
function notModified(terms: CacheHeaders, asked: Validators): NotModified {
  const { etag, lastModified } = terms.validators ?? asked;
  return {
    isNotModified: true,
    terms: {
      ...terms,
      lastModified: terms.lastModified ?? asked.lastModified ?? undefined,
      validators: { ...asked, etag: etag ?? asked.etag, lastModified: lastModified ?? asked.lastModified },
    },
    [Symbol.dispose]: () => undefined, // its connection is gone already
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
