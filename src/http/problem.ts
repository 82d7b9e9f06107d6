import type { FastifyReply } from "fastify";
import { type FailureCode, failures, type OracleError } from "../domain/errors.ts";
import { beginAnswer } from "./answer.ts";
import { type Problem, problemType } from "./schema.ts";

// Retry-After of concurrency limits. 2 s: a permit is then free (a median lookup takes well under 1 s), and a person can wait for it.
const retryAfterSeconds = "2";

/** Whether a retry of the same request may succeed later: RFC 9110 15.5.9 and 15.6, RFC 8470 5.2, RFC 6585 4. */
function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

// Mistakes of the caller. Failures of lookups are never explained.
const explained: ReadonlySet<FailureCode> = new Set([
  "url_invalid",
  "url_unsupported",
  "request_invalid",
  "request_too_large",
  "method_unsupported",
] satisfies FailureCode[]);

/**
 * Returns the public problem document of a failure. Of the error itself it has only the code, the origin's status and the
 * explanation of a mistake in the request: message, reason and cause are for the operator, and a blocked address must look
 * like a closed port (SSRF).
 *
 * @param status the HTTP status, if it is not the code's own (431 from the socket)
 */
export function problemOf(error: OracleError, status: number = failures[error.code].status): Problem {
  const { code, detail, faults, upstreamStatus } = error;
  const { title, retryable } = failures[code];
  const problem = { type: problemType(code), title, status, code, retryable };
  if (explained.has(code) && detail !== undefined) {
    return { ...problem, detail, ...(faults.length > 0 && { errors: [...faults] }) };
  }
  if (code !== "source_status" || upstreamStatus === undefined) return problem;
  return { ...problem, retryable: isRetryableStatus(upstreamStatus), upstreamStatus };
}

/** Whether a concurrency limit rejected the lookup: a retry soon may succeed. The rate limit sends a `Retry-After` of its own. */
function isBusy(code: FailureCode): boolean {
  return code === "overloaded" || code === "host_busy";
}

/** Sends the failure's problem document, with `no-store`: our own cache decides when to ask the origin again. */
export function sendProblem(reply: FastifyReply, error: OracleError): FastifyReply {
  const problem = problemOf(error);
  if (isBusy(problem.code)) reply.header("retry-after", retryAfterSeconds);
  if (problem.status === 401) reply.header("www-authenticate", "Bearer");
  beginAnswer(reply, problem.status, "application/problem+json").header("cache-control", "no-store");
  // As bytes, since Fastify adds a charset parameter to text, which this media type does not have (RFC 9457 6.1).
  return reply.send(Buffer.from(JSON.stringify(problem)));
}
