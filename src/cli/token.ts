import { type Config, ConfigError } from "../config.ts";
import { createNamedToken, isTokenName } from "../http/named-token.ts";
import { UsageError } from "./exit.ts";

const spanSeconds = { m: 60, h: 3600, d: 86_400, w: 604_800 } as const;

/** @returns epoch seconds */
function parseExpiry(text: string): number {
  const [, count, unit] = /^([1-9]\d{0,4})([mhdw])$/.exec(text) ?? [];
  if (unit === undefined) throw new UsageError("--expires is a number and m, h, d or w, as in 90d");
  return Math.floor(Date.now() / 1000) + Number(count) * spanSeconds[unit as keyof typeof spanSeconds];
}

/**
 * Makes a token for one chat host.
 *
 * @param expires a span from now, as in 90d; without it the token does not expire
 * @throws ConfigError where no key is set; UsageError
 */
export function makeToken({ TOKEN_KEY, REVOKED_TOKENS }: Config, name: string, expires: string | undefined): string {
  if (TOKEN_KEY === null) throw new ConfigError(["MEDIA_ORACLE_TOKEN_KEY, which signs tokens, is not set"]);
  if (!isTokenName(name)) throw new UsageError("a name is 1 to 64 of A-Z a-z 0-9 . _ -, but not token or anonymous");
  if (REVOKED_TOKENS.includes(name)) throw new UsageError(`${name} is revoked: take another name`);
  return createNamedToken(name, expires === undefined ? null : parseExpiry(expires), TOKEN_KEY);
}
