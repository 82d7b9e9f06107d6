import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";

/** Names and values in turn, as `writeHead` takes them. */
export type HeaderList = string[];

export const jsonType = "application/json; charset=utf-8";

/**
 * Begins an answer with the headers that every answer has.
 *
 * A function, not a hook: for a cache hit a hook would take longer than the cache lookup.
 */
export function beginAnswer(reply: FastifyReply, status: number, contentType: string): FastifyReply {
  return reply
    .code(status)
    .header("x-request-id", reply.request.id)
    .header("x-content-type-options", "nosniff")
    .header("cross-origin-resource-policy", "same-origin")
    .header("content-type", contentType);
}

/** Returns the same headers for {@link writeAnswer}. */
export function answerHeaders(requestId: string): HeaderList {
  const headers = ["X-Request-Id", requestId, "X-Content-Type-Options", "nosniff"];
  // No page of another origin may embed an answer, as an image or a script.
  headers.push("Cross-Origin-Resource-Policy", "same-origin");
  return headers;
}

/** Takes the answer over from Fastify, which copies every header three times on its way to Node. No reply hook runs. */
export function takenOver(reply: FastifyReply): ServerResponse {
  reply.hijack();
  return reply.raw;
}

/** @param body null if the status has none (304) */
export function writeAnswer(
  response: ServerResponse,
  status: number,
  headers: HeaderList,
  body: string | Buffer | null,
): void {
  response.writeHead(status, headers);
  if (body === null) response.end();
  else response.end(body);
}
