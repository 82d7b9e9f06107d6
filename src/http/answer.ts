import type { FastifyReply } from "fastify";

/** Names and values in turn, as `writeHead` takes them. */
export type HeaderList = string[];

export const jsonType = "application/json; charset=utf-8";

/**
 * Begins an answer with what every one carries.
 *
 * A function for all who answer, and not a hook: a hook costs a hit more than looking it up does.
 */
export function beginAnswer(reply: FastifyReply, status: number, contentType: string): FastifyReply {
  return reply
    .code(status)
    .header("x-request-id", reply.request.id)
    .header("x-content-type-options", "nosniff")
    .header("content-type", contentType);
}

/** The same beginning for {@link writeAnswer}. */
export function answerHeaders(reply: FastifyReply): HeaderList {
  return ["X-Request-Id", reply.request.id, "X-Content-Type-Options", "nosniff"];
}

/**
 * Writes a whole answer past Fastify's reply, which takes every header in hand three times on its way to Node: 4 of the 60 µs that a
 * hit costs. No hook sees it.
 *
 * @param body null where the status has none (304)
 */
export function writeAnswer(
  reply: FastifyReply,
  status: number,
  headers: HeaderList,
  body: string | Buffer | null,
): void {
  reply.hijack();
  reply.raw.writeHead(status, headers);
  if (body === null) reply.raw.end();
  else reply.raw.end(body);
}
