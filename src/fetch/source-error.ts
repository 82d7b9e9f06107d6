import { OracleError, toOracleError, type UnreachableReason } from "../domain/errors.ts";
import { isShortage } from "./shortage.ts";

// Node's system errors, then the TLS errors of OpenSSL and Node. The first match counts.
const reasons: readonly (readonly [RegExp, UnreachableReason])[] = [
  [/^ECONNREFUSED$/, "refused"],
  [/^(ECONNRESET|ECONNABORTED|EPIPE)$/, "reset"],
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
 * Drops a cause that the origin can influence, since it would be logged: TLS errors carry the certificate, system errors
 * the address.
 */
export function toSourceError(error: unknown): OracleError {
  if (error instanceof OracleError || !(error instanceof Error)) return toOracleError(error);
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  if (isShortage(code)) return new OracleError("overloaded", `no socket: ${code}`);
  const [, reason] = reasons.find(([pattern]) => pattern.test(code)) ?? [];
  // Not in the table: an unexpected error, so treat it as a bug.
  if (!reason) return toOracleError(error);
  const tlsError = reason === "tls" && tlsCode.test(code) ? code : undefined;
  return new OracleError("source_unreachable", `no response: ${code}`, { reason, tlsError });
}
