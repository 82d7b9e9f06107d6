import { OracleError, toOracleError, type UnreachableReason } from "../domain/errors.ts";
import { isShortage } from "./shortage.ts";

// Node's system errors, then the TLS errors of OpenSSL and Node. The first match counts.
const reasons: readonly (readonly [RegExp, UnreachableReason])[] = [
  [/^ECONNREFUSED$/, "refused"],
  [/^(ECONNRESET|ECONNABORTED|EPIPE|UND_ERR_SOCKET)$/, "reset"],
  [/^ETIMEDOUT$/, "timeout"],
  [/^(EPROTO|ERR_SSL_.+|ERR_TLS_.+|ERR_OSSL_.+)$/, "tls"],
  [/^((CERT|CRL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|INVALID|PATH_LENGTH|HOSTNAME|ERROR_IN)_.+|OUT_OF_MEM)$/, "tls"],
  [/^E[A-Z]+$/, "network"], // EHOSTUNREACH, ENETUNREACH …
];

// Node and OpenSSL have fixed codes, of at most 50 characters; anything else could be text of the origin.
const tlsCode = /^[A-Z][A-Z0-9_]{1,63}$/;

/**
 * Converts an error before the head of a response into an OracleError.
 *
 * Drops a cause that the origin can influence, since it would be logged: parser errors carry the bytes, TLS errors the
 * certificate, system errors the address.
 */
export function toSourceError(error: unknown): OracleError {
  if (error instanceof OracleError || !(error instanceof Error)) return toOracleError(error);
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  if (isShortage(code)) return new OracleError("overloaded", `no socket: ${code}`);
  if (isProtocolError(code, error.message)) return new OracleError("source_protocol", `not HTTP: ${code}`);
  const [, reason] = reasons.find(([pattern]) => pattern.test(code)) ?? [];
  // Not in the table: an unexpected error, so treat it as a bug.
  if (!reason) return toOracleError(error);
  const tlsError = reason === "tls" && tlsCode.test(code) ? code : undefined;
  return new OracleError("source_unreachable", `no response: ${code}`, { reason, tlsError });
}

function isProtocolError(code: string, message: string): boolean {
  if (/^(HPE_.+|HTTPParserError|UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_CONTENT_LENGTH_MISMATCH)$/.test(code)) return true;
  // undici has no separate code for a response before the request, `100 Continue` and `101 Switching Protocols`.
  return code === "UND_ERR_SOCKET" && /^bad (response|upgrade)$/.test(message);
}
