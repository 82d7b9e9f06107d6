import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";

const accepted = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * Creates request ids for replies and logs: the caller's own `X-Request-Id` if it is harmless, else a new one.
 *
 * A new one is a random prefix for this process and a counter: unique enough to find a line in a log, cheap, and never
 * a secret.
 */
export function createRequestIds(): (request: Pick<IncomingMessage, "headers">) => string {
  const prefix = randomBytes(6).toString("hex");
  let count = 0;
  return ({ headers }) => {
    const given = headers["x-request-id"];
    if (typeof given === "string" && accepted.test(given)) return given;
    count += 1;
    return `${prefix}-${count.toString(36)}`;
  };
}
