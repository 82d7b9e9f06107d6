import { type Config, ConfigError } from "../config.ts";
import { createNamedToken, isTokenName } from "../http/named-token.ts";
import { UsageError } from "./exit.ts";

const unitSeconds = { m: 60, h: 3600, d: 86_400, w: 604_800 } as const;

/** @returns epoch seconds */
function parseExpiry(text: string): number {
  const [, count, unit] = /^([1-9]\d{0,4})([mhdw])$/.exec(text) ?? [];
  if (unit === undefined) throw new UsageError("--expires takes a number and m, h, d or w, like 90d");
  return Math.floor(Date.now() / 1000) + Number(count) * unitSeconds[unit as keyof typeof unitSeconds];
}

/**
 * Creates a token for one chat host.
 *
 * @param expires a span from now, like 90d; undefined if the token does not expire
 * @throws ConfigError if no key is set
 * @throws UsageError if the name or the span is invalid
 */
export function makeToken({ TOKEN_KEY, REVOKED_TOKENS }: Config, name: string, expires: string | undefined): string {
  if (TOKEN_KEY === null) throw new ConfigError(["MEDIA_ORACLE_TOKEN_KEY is not set: it signs the tokens"]);
  if (!isTokenName(name))
    throw new UsageError("the name must be 1 to 64 characters of A-Z a-z 0-9 . _ - and not token or anonymous");
  if (REVOKED_TOKENS.includes(name)) throw new UsageError(`${name} is revoked: choose another name`);
  return createNamedToken(name, expires === undefined ? null : parseExpiry(expires), TOKEN_KEY);
}
