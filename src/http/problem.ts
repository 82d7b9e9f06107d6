import type { FastifyReply } from "fastify";
import { type FailureCode, failures, type OracleError } from "../domain/errors.ts";
import { beginAnswer } from "./answer.ts";
import { type Problem, problemType } from "./schema.ts";

// Long enough for a slot to come free (a median lookup takes well under a second), short enough for a person who waits.
const retryAfterSeconds = "2";

/** Whether the same request may be answered otherwise later: RFC 9110 15.5.9 and 15.6, RFC 8470 5.2, RFC 6585 4. */
function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

/**
 * The public words for a failure. Of the error itself only the code and the origin's status are told: its message, reason and
 * cause are the operator's, and a refused address must look like one that nobody listens at.
 *
 * @param status what is answered, where it is not the code's own (the socket's 431)
 */
export function problemOf(error: OracleError, status: number = failures[error.code].status): Problem {
  const { code, upstreamStatus } = error;
  const { title, retryable } = failures[code];
  const problem = { type: problemType(code), title, status, code, retryable };
  if (code !== "source_status" || upstreamStatus === undefined) return problem;
  return { ...problem, retryable: isRetryableStatus(upstreamStatus), upstreamStatus };
}

/** Whether a limit of ours stood in the way, which a slot that comes free lifts. The rate limit has a time of its own. */
function isBusy(code: FailureCode): boolean {
  return code === "overloaded" || code === "host_busy";
}

/** Answers with the failure's problem document. Never stored by anybody: our own memory decides when to ask the origin again. */
export function sendProblem(reply: FastifyReply, error: OracleError): FastifyReply {
  const problem = problemOf(error);
  if (isBusy(problem.code)) reply.header("retry-after", retryAfterSeconds);
  if (problem.status === 401) reply.header("www-authenticate", "Bearer");
  beginAnswer(reply, problem.status, "application/problem+json").header("cache-control", "no-store");
  // As bytes, since Fastify adds a charset parameter to text, which this media type does not have (RFC 9457 6.1).
  return reply.send(Buffer.from(JSON.stringify(problem)));
}
