import { OracleError, toOracleError, type UnreachableReason } from "../domain/errors.ts";
import { isShortage } from "./shortage.ts";

// Node's system errors, then OpenSSL's and Node's own for TLS. The first that matches.
const reasons: readonly (readonly [RegExp, UnreachableReason])[] = [
  [/^ECONNREFUSED$/, "refused"],
  [/^(ECONNRESET|ECONNABORTED|EPIPE|UND_ERR_SOCKET)$/, "reset"],
  [/^ETIMEDOUT$/, "timeout"],
  [/^(EPROTO|ERR_SSL_.+|ERR_TLS_.+|ERR_OSSL_.+)$/, "tls"],
  [/^((CERT|CRL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|INVALID|PATH_LENGTH|HOSTNAME|ERROR_IN)_.+|OUT_OF_MEM)$/, "tls"],
  [/^E[A-Z]+$/, "network"], // EHOSTUNREACH, ENETUNREACH …
];

/**
 * Turns what went wrong before the head of a response was there into a failure of ours.
 *
 * The cause is not kept where the origin could have a hand in it: parser errors carry the bytes, TLS errors the
 * certificate, system errors the address, and all of that would go into the log.
 */
export function toSourceError(error: unknown): OracleError {
  if (error instanceof OracleError || !(error instanceof Error)) return toOracleError(error);
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  if (isShortage(code)) return new OracleError("overloaded", `no socket: ${code}`);
  if (isProtocolError(code, error.message)) return new OracleError("source_protocol", `not HTTP: ${code}`);
  const [, reason] = reasons.find(([pattern]) => pattern.test(code)) ?? [];
  // No row for it, so nobody thought of it: a mistake of ours rather than the world's.
  if (!reason) return toOracleError(error);
  return new OracleError("source_unreachable", `no response: ${code}`, { reason });
}

function isProtocolError(code: string, message: string): boolean {
  if (/^(HPE_.+|HTTPParserError|UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_CONTENT_LENGTH_MISMATCH)$/.test(code)) return true;
  // undici has no code of its own for an answer before the question, `100 Continue` and `101 Switching Protocols`.
  return code === "UND_ERR_SOCKET" && /^bad (response|upgrade)$/.test(message);
}
