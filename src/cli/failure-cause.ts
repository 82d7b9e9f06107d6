import type { UnreachableReason } from "../domain/errors.ts";

/** The end of the sentence "The origin could not be reached: ", by reason. */
export const unreachableCauses: Readonly<Record<UnreachableReason, string>> = {
  address: "its address is private or denied, which MEDIA_ORACLE_ALLOW_ADDRESSES can change",
  name: "its host name could not be resolved",
  refused: "it refused the connection",
  reset: "it closed the connection without a response",
  tls: "TLS failed, as with an invalid certificate",
  timeout: "it did not respond in time",
  redirect: "it redirects to a URL that is not supported",
  network: "there is no network route to it",
  breaker: "it failed several times just now, and is not asked for a while",
};

interface LogLine {
  readonly code?: string;
  readonly reason?: UnreachableReason;
  readonly tlsError?: string;
  readonly rule?: string;
}

/**
 * Reads from a line of the log why the origin could not be reached, which the API never reveals; null if it has no cause.
 *
 * @returns the end of the sentence "The origin could not be reached: "
 */
export function causeOf(logLine: string): string | null {
  const { code, reason, tlsError, rule } = JSON.parse(logLine) as LogLine;
  if (code !== "source_unreachable" || reason === undefined) return null;
  const detail = reason === "redirect" ? rule : tlsError;
  return `${unreachableCauses[reason]}${detail === undefined ? "" : ` (${detail})`}.`;
}
