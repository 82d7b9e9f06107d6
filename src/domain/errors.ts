/** One row a way not to describe: what is answered, and in whose words. */
interface Failure {
  readonly status: number;
  /** Public: must not tell anything of the origin, nor why exactly. */
  readonly title: string;
  readonly retryable: boolean;
}

/** The only list of failures. OpenAPI's enum, the problem documents and the metrics' labels are read from it. */
export const failures = {
  url_invalid: { status: 400, title: "The text is not an absolute http(s) URL", retryable: false },
  url_unsupported: { status: 400, title: "URLs of this kind are not looked up", retryable: false },
  request_invalid: { status: 400, title: "The request does not have the documented form", retryable: false },
  unauthorized: { status: 401, title: "A valid bearer token is needed", retryable: false },
  request_forbidden: { status: 403, title: "Requests from other websites are not accepted", retryable: false },
  route_unknown: { status: 404, title: "No such route", retryable: false },
  request_timeout: { status: 408, title: "The request did not arrive in time", retryable: true },
  request_too_large: { status: 413, title: "The request is too large", retryable: false },
  request_unsupported: { status: 415, title: "Send the request with Content-Type: application/json", retryable: false },
  rate_limited: { status: 429, title: "Too much was asked for within a minute", retryable: true },
  host_busy: { status: 429, title: "Too many lookups of this host or network are in progress", retryable: true },
  internal: { status: 500, title: "Something is wrong on our side", retryable: true },
  source_unreachable: { status: 502, title: "The URL could not be reached", retryable: true },
  source_status: { status: 502, title: "The URL was answered, but not with success", retryable: true },
  source_redirects: { status: 502, title: "The URL redirects too often", retryable: false },
  source_protocol: { status: 502, title: "The URL was answered with something that is not HTTP", retryable: true },
  overloaded: { status: 503, title: "Too much is being looked up at the moment", retryable: true },
  deadline_exceeded: { status: 504, title: "Nothing was known by the deadline", retryable: true },
} as const satisfies Record<string, Failure>;

export type FailureCode = keyof typeof failures;

/** Why a source could not be reached, for the operator's metrics and logs only: a caller must not learn it. */
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
  "breaker", // it did not answer lately, and was not asked again
] as const;

interface FailureDetails extends ErrorOptions {
  /** The origin's status, where it answered. */
  readonly upstreamStatus?: number;
  readonly reason?: UnreachableReason;
  /** How long the origin wants to be left alone, where it said so (429, 503). */
  readonly retryAfterMs?: number;
}

/** An expected way not to describe. The message is for the log; the public words come from {@link failures}. */
export class OracleError extends Error {
  override readonly name = "OracleError";
  readonly code: FailureCode;
  readonly upstreamStatus: number | undefined;
  readonly reason: UnreachableReason | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: FailureCode, message: string, details: FailureDetails = {}) {
    super(message, details);
    this.code = code;
    this.upstreamStatus = details.upstreamStatus;
    this.reason = details.reason;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** What stands in for an error that nobody expected: a bug of ours, told apart from the failures of the world. */
export function toOracleError(error: unknown): OracleError {
  return error instanceof OracleError ? error : new OracleError("internal", "unexpected error", { cause: error });
}
