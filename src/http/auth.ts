import { hash, timingSafeEqual } from "node:crypto";
import type { onRequestHookHandler } from "fastify";
import { OracleError } from "../domain/errors.ts";
import { type BrowserGuard, type BrowserGuardOptions, createBrowserGuard, hasForeignHost } from "./browser-guard.ts";
import { createNamedTokenCheck, type NamedTokenOptions } from "./named-token.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Null where no token is needed. */
    client: Client | null;
  }
}

/** Who asks, as far as the token tells. */
export interface Client {
  /** For logs and metrics: as in the token, or `token` where that says no name. */
  readonly name: string;
  /** Different for each token, or for each name that tokens were made for. */
  readonly account: string;
}

/** What logs and metrics call who asks. */
export function nameOf(client: Client | null): string {
  return client?.name ?? "anonymous";
}

export interface AccessOptions extends BrowserGuardOptions {
  /** Any of them opens the API. */
  readonly tokens: readonly string[];
  /** Null where there are none. */
  readonly namedTokens: NamedTokenOptions | null;
}

/** With no way to be let in everybody is. */
function isOpen({ tokens, namedTokens }: AccessOptions): boolean {
  return tokens.length === 0 && namedTokens === null;
}

const digest = (text: string): Buffer => hash("sha256", text, "buffer");

/**
 * Gives the check of a token: whose it is, or null where it is none of ours.
 *
 * Digests are compared, so that neither the length nor a common beginning shows in the time it takes; every token is looked at, so
 * that neither does which one it was.
 */
function createTokenCheck({ tokens, namedTokens }: AccessOptions): (token: string) => Client | null {
  const digests = tokens.map(digest);
  const clients = tokens.map((_, index): Client => ({ name: "token", account: `token ${index}` }));
  const nameIn = namedTokens ? createNamedTokenCheck(namedTokens) : () => null;
  return (token) => {
    const given = digest(token);
    const found = digests.reduce((found, known, index) => (timingSafeEqual(known, given) ? index : found), -1);
    const name = nameIn(token);
    if (name !== null) return { name, account: `name ${name}` };
    return clients[found] ?? null;
  };
}

/** Tells who asks by the `Authorization` header; null where it holds no token, or none of ours. */
export type Identify = (authorization: string | undefined) => Client | null;

/**
 * The one scheme is `Bearer`, its name case-insensitive (RFC 6750 2.1, RFC 9110 11.1).
 *
 * @returns null where everybody is let in
 */
function createIdentify(access: AccessOptions): Identify | null {
  if (isOpen(access)) return null;
  const clientOf = createTokenCheck(access);
  return (authorization = "") => {
    const [, token] = /^bearer +(\S+) *$/i.exec(authorization) ?? [];
    return token === undefined ? null : clientOf(token);
  };
}

/** `onRequest` hooks of a route: they run before the body is read. */
export type Guards = onRequestHookHandler[];

/** What decides whether a request is accepted: a token if any is set, else where a browser's request comes from. */
export interface Access {
  /** Null if no token is set. */
  readonly identify: Identify | null;
  /** Null if tokens are set. */
  readonly isForbidden: BrowserGuard | null;
  /** Of the API: lookups and operation. */
  readonly guards: Guards;
  /** Of the page's files, which a link on another website may lead to. */
  readonly pageGuards: Guards;
}

export function createAccess(options: AccessOptions): Access {
  const identify = createIdentify(options);
  if (identify) return { identify, isForbidden: null, guards: [requireToken(identify)], pageGuards: [] };
  const isForbidden = createBrowserGuard(options);
  const isForeignHost: BrowserGuard = (headers) => hasForeignHost(headers, options);
  return { identify, isForbidden, guards: [refuse(isForbidden)], pageGuards: [refuse(isForeignHost)] };
}

/** Accepts requests with a token, and notes whose it is. */
function requireToken(identify: Identify): onRequestHookHandler {
  return (request, _reply, done) => {
    request.client = identify(request.headers.authorization);
    done(request.client ? undefined : new OracleError("unauthorized", "no token, or none of ours"));
  };
}

function refuse(isForbidden: BrowserGuard): onRequestHookHandler {
  return ({ headers }, _reply, done) =>
    done(
      isForbidden(headers)
        ? new OracleError("request_forbidden", "for a foreign host, or from a foreign page")
        : undefined,
    );
}
