import { createHmac, timingSafeEqual } from "node:crypto";

// A signed token with the client's name and its expiry: `mo1.NAME.EXPIRY.SIGNATURE`. Replicas need only the key to
// check it. It has only characters of a bearer token (RFC 6750 2.1). The signature covers the version too, so that
// another form, signed with the same key, can never be read as this one.
const version = "mo1";
const name = "[A-Za-z0-9._-]{1,64}";
const nameForm = new RegExp(`^${name}$`);
// The name may have dots; expiry and signature have none, so a token has one reading.
const tokenForm = new RegExp(`^${version}\\.(${name})\\.(\\d{1,12}|never)\\.[A-Za-z0-9_-]{43}$`);

// The names in logs and metrics of clients with a plain token, and without a token.
const reserved = new Set(["token", "anonymous"]);

/** Whether a token may be made for this name. */
export function isTokenName(text: string): boolean {
  return nameForm.test(text) && !reserved.has(text);
}

function signed(claims: string, key: string): string {
  return `${claims}.${createHmac("sha256", key).update(claims).digest("base64url")}`;
}

/**
 * Makes a token for one chat host.
 *
 * @param expiresAt epoch seconds, or null for a token that does not expire
 */
export function createNamedToken(name: string, expiresAt: number | null, key: string): string {
  return signed(`${version}.${name}.${expiresAt ?? "never"}`, key);
}

export interface NamedTokenOptions {
  /** At least 32 characters. */
  readonly key: string;
  /** Names whose tokens are all rejected. */
  readonly revokedNames: readonly string[];
}

/**
 * Creates the check of named tokens, which returns the token's name, or null if it is invalid, expired or revoked.
 *
 * The signature is compared as text, in constant time: Base64 has several texts for the same bytes.
 */
export function createNamedTokenCheck({ key, revokedNames }: NamedTokenOptions): (token: string) => string | null {
  const revoked = new Set(revokedNames);
  return (token) => {
    const [, name, expiry] = tokenForm.exec(token) ?? [];
    if (name === undefined) return null;
    const own = signed(token.slice(0, token.lastIndexOf(".")), key);
    // Both have the same length, since both match the form.
    if (!timingSafeEqual(Buffer.from(own), Buffer.from(token))) return null;
    if (expiry !== "never" && Date.now() >= Number(expiry) * 1000) return null;
    return isTokenName(name) && !revoked.has(name) ? name : null;
  };
}
