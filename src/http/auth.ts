import { hash, timingSafeEqual } from "node:crypto";
import type { onRequestHookHandler } from "fastify";
import { OracleError } from "../domain/errors.ts";
import {
  type BrowserGuard,
  type BrowserGuardOptions,
  createBrowserGuard,
  hasForeignHost,
  isFromForeignPage,
} from "./browser-guard.ts";
import { createNamedTokenCheck, type NamedTokenOptions } from "./named-token.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Null if no token is needed. */
    client: Client | null;
  }
}

/** The client that a token identifies. */
export interface Client {
  /** For logs and metrics: the name in the token, or `token` if it has none. */
  readonly name: string;
  /** For the rate limit: unique for each plain token, and for each name of named tokens. */
  readonly account: string;
}

/** Returns the client's name in logs and metrics. */
export function nameOf(client: Client | null): string {
  return client?.name ?? "anonymous";
}

export interface AccessOptions extends BrowserGuardOptions {
  /** Plain tokens: each gives access to the API. */
  readonly tokens: readonly string[];
  /** Null if there are none. */
  readonly namedTokens: NamedTokenOptions | null;
}

/** Whether the API is open: no tokens of either kind are set. */
function isOpen({ tokens, namedTokens }: AccessOptions): boolean {
  return tokens.length === 0 && namedTokens === null;
}

const digest = (text: string): Buffer => hash("sha256", text, "buffer");

/**
 * Creates the check of a token, which returns its client, or null if the token is unknown.
 *
 * Timing attacks: digests are compared, so that the time shows neither a length nor a common prefix; every token is
 * compared, so that the time does not show the one that matched.
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

/** Identifies the client by the `Authorization` header; null if it has no token, or an unknown one. */
export type Identify = (authorization: string | undefined) => Client | null;

/**
 * The only accepted scheme is `Bearer`; its name is case-insensitive (RFC 6750 2.1, RFC 9110 11.1).
 *
 * @returns null if no token is set
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

/** Access control: by token if any is set, else by the origin of a browser's request. */
export interface Access {
  /** Of `Cache-Control`: answers are private if a token is needed to read them. */
  readonly scope: "public" | "private";
  /** Null if no token is set. */
  readonly identify: Identify | null;
  /** Null if tokens are set. */
  readonly isForbidden: BrowserGuard | null;
  /** Of the API: lookups and operation. */
  readonly guards: Guards;
  /** Guards of the files of the web page: other websites may link to it. */
  readonly pageGuards: Guards;
  /** Whether a page of another origin, which no setting lists, sent the request: also if tokens are set. */
  readonly isForeignPage: BrowserGuard;
}

export function createAccess(options: AccessOptions): Access {
  const identify = createIdentify(options);
  const isForeignPage: BrowserGuard = (headers) => isFromForeignPage(headers, options);
  if (identify) {
    const guards = [requireToken(identify)];
    return { scope: "private", identify, isForbidden: null, guards, pageGuards: [], isForeignPage };
  }
  const isForbidden = createBrowserGuard(options);
  const isForeignHost: BrowserGuard = (headers) => hasForeignHost(headers, options);
  const [guards, pageGuards] = [[refuse(isForbidden)], [refuse(isForeignHost)]];
  return { scope: "public", identify, isForbidden, guards, pageGuards, isForeignPage };
}

/** Accepts requests with a valid token, and stores its client in the request. */
function requireToken(identify: Identify): onRequestHookHandler {
  return (request, _reply, done) => {
    request.client = identify(request.headers.authorization);
    done(request.client ? undefined : new OracleError("unauthorized", "no token, or an unknown one"));
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
