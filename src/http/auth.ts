import { createHash, timingSafeEqual } from "node:crypto";

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/**
 * Checks the `Authorization` header against the tokens.
 *
 * Digests are compared, so that neither the length nor a common beginning shows in the time it takes; every token is looked at, so
 * that neither does which one it was.
 *
 * @see RFC 6750 2.1; the scheme's name is case-insensitive (RFC 9110 11.1)
 */
export function createTokenCheck(tokens: readonly string[]): (authorization: string | undefined) => boolean {
  const digests = tokens.map(digest);
  return (authorization = "") => {
    const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
    if (token === undefined) return false;
    const given = digest(token);
    return digests.reduce((found, known) => timingSafeEqual(known, given) || found, false);
  };
}
