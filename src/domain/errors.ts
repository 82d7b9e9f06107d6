/** One kind of failure: its status and its public text. */
interface Failure {
  readonly status: number;
  /** Public: must reveal nothing about the origin, nor the exact cause. */
  readonly title: string;
  readonly retryable: boolean;
}

/** The only failure table: OpenAPI's enum, the problem documents and the metric labels are generated from it. */
export const failures = {
  url_invalid: { status: 400, title: "The text is not an acceptable http(s) URL", retryable: false },
  url_unsupported: { status: 400, title: "URLs of this kind are not supported", retryable: false },
  request_invalid: { status: 400, title: "The request is not in the documented form", retryable: false },
  unauthorized: { status: 401, title: "A valid bearer token is required", retryable: false },
  request_forbidden: { status: 403, title: "Requests from other websites are not accepted", retryable: false },
  route_unknown: { status: 404, title: "The route does not exist", retryable: false },
  method_unsupported: { status: 405, title: "The route does not have this method", retryable: false },
  request_timeout: { status: 408, title: "The request did not arrive in time", retryable: true },
  request_too_large: { status: 413, title: "The request is too large", retryable: false },
  request_unsupported: { status: 415, title: "Send the request with Content-Type: application/json", retryable: false },
  rate_limited: { status: 429, title: "Rate limit exceeded", retryable: true },
  host_busy: { status: 429, title: "Too many lookups of this host or network are in progress", retryable: true },
  internal: { status: 500, title: "Internal error", retryable: true },
  source_unreachable: { status: 502, title: "The origin could not be reached", retryable: true },
  source_status: { status: 502, title: "The origin responded with an error status", retryable: true },
  source_redirects: { status: 502, title: "Too many redirects", retryable: false },
  source_protocol: { status: 502, title: "The origin did not respond with valid HTTP", retryable: true },
  overloaded: { status: 503, title: "The service is overloaded", retryable: true },
  deadline_exceeded: { status: 504, title: "The deadline passed before anything was known", retryable: true },
} as const satisfies Record<string, Failure>;

export type FailureCode = keyof typeof failures;

/** Cause of `source_unreachable`, for the operator's metrics and logs only: callers must not learn it. */
export type UnreachableReason = (typeof unreachableReasons)[number];

export const unreachableReasons = [
  "address",
  "name",
  "refused",
  "reset",
  "tls",
  "timeout",
  "redirect",
  "network",
  "breaker", // the circuit breaker is open: the host was not asked
] as const;

/** The rule that refused a request or a target, for the operator's log. Callers learn it only from a `detail`. */
export interface Refusal {
  /** Without any part of the URL, and without any text of the caller. */
  readonly rule: string;
  /** Host and port of the refused URL, which may be that of a redirect; null if the text is not a plain URL. */
  readonly host: string | null;
}

/** A mistake in a request, public: an item of `errors` in its problem document (RFC 9457 section 3). */
export interface RequestFault {
  /** JSON pointer as URI fragment, like `#/fields/1`; in a query, to the parameter. */
  readonly pointer: string;
  /** A sentence without any value of the request. */
  readonly detail: string;
}

interface FailureDetails extends ErrorOptions {
  /** Public explanation of the caller's mistake, in a sentence. Contains nothing of the URL. */
  readonly detail?: string;
  /** All mistakes of a `request_invalid`; the first one is the `detail`. */
  readonly faults?: readonly RequestFault[];
  /** Status of the origin's response, if there was one. */
  readonly upstreamStatus?: number;
  readonly reason?: UnreachableReason;
  readonly refusal?: Refusal | undefined;
  /** Node's code of a TLS error (`CERT_HAS_EXPIRED`), for the log only. */
  readonly tlsError?: string | undefined;
  /** Pause that the origin asked for (`Retry-After` with 429 or 503). */
  readonly retryAfterMs?: number;
}

/** An expected failure. The message is for the log; the public text comes from {@link failures}. */
export class OracleError extends Error {
  override readonly name = "OracleError";
  readonly code: FailureCode;
  readonly detail: string | undefined;
  readonly faults: readonly RequestFault[];
  readonly upstreamStatus: number | undefined;
  readonly reason: UnreachableReason | undefined;
  readonly refusal: Refusal | undefined;
  readonly tlsError: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: FailureCode, message: string, details: FailureDetails = {}) {
    super(message, details);
    this.code = code;
    this.detail = details.detail;
    this.faults = details.faults ?? [];
    this.upstreamStatus = details.upstreamStatus;
    this.reason = details.reason;
    this.refusal = details.refusal;
    this.tlsError = details.tlsError;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Turns an unexpected error, which is a bug of ours, into the failure `internal`. */
export function toOracleError(error: unknown): OracleError {
  return error instanceof OracleError ? error : new OracleError("internal", "unexpected error", { cause: error });
}
