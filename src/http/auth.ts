import { hash, timingSafeEqual } from "node:crypto";
import type { onRequestHookHandler } from "fastify";
import { OracleError } from "../domain/errors.ts";

const digest = (text: string): Buffer => hash("sha256", text, "buffer");

/**
 * Checks the `Authorization` header against the tokens.
 *
 * Digests are compared, so that neither the length nor a common beginning shows in the time it takes; every token is looked at, so
 * that neither does which one it was.
 *
 * @see RFC 6750 2.1; the scheme's name is case-insensitive (RFC 9110 11.1)
 */
function createTokenCheck(tokens: readonly string[]): (authorization: string | undefined) => boolean {
  const digests = tokens.map(digest);
  return (authorization = "") => {
    const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
    if (token === undefined) return false;
    const given = digest(token);
    return digests.reduce((found, known) => timingSafeEqual(known, given) || found, false);
  };
}

/** `onRequest` hooks of a route: they run before the body is read. None where the API is open. */
export type Guards = onRequestHookHandler[];

/** Lets in whoever has one of the tokens; with no tokens, everybody. */
export function createGuards(tokens: readonly string[]): Guards {
  if (tokens.length === 0) return [];
  const isTokenValid = createTokenCheck(tokens);
  return [
    (request, _reply, done) => {
      if (isTokenValid(request.headers.authorization)) return done();
      done(new OracleError("unauthorized", "no token, or none of ours"));
    },
  ];
}
