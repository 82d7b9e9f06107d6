import type { FastifyReply } from "fastify";

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
