/**
 * Browser guard: while no token is set, rejects requests that a foreign website sends through a user's browser, which
 * may be inside the operator's network.
 *
 * - CSRF: a page of another origin sends requests to the service. It cannot read the responses, but `GET /metadata`
 *   starts a lookup. The browser adds `Sec-Fetch-Site` (W3C Fetch Metadata) and, unless it is a plain GET, `Origin`.
 * - DNS rebinding: a host name of the attacker resolves to 127.0.0.1, so the browser treats the service as the
 *   attacker's own origin: the page could read, look up and delete. But `Host` still has the attacker's name.
 *
 * Programs that are not browsers send neither `Origin` nor `Sec-Fetch-Site`. With tokens the guard is off: a foreign page
 * does not know them, and browsers do not add them.
 */
import type { IncomingHttpHeaders } from "node:http";
import { isIP, isIPv6 } from "node:net";
import { type CorsOptions, isListedOrigin } from "./cors.ts";

export interface BrowserGuardOptions extends CorsOptions {
  /** Names, in lower case, that `Host` may have besides `localhost` and IP addresses; null accepts every name. */
  readonly hostnames: readonly string[] | null;
}

export type GuardedHeaders = Pick<IncomingHttpHeaders, "host" | "origin"> & { readonly "sec-fetch-site"?: unknown };

/** Whether to refuse requests with these headers. */
export type BrowserGuard = (headers: GuardedHeaders) => boolean;

function isIpLiteral(hostname: string): boolean {
  return hostname.startsWith("[") ? isIPv6(hostname.slice(1, -1)) : isIP(hostname) !== 0;
}

/** Checks for DNS rebinding: `Host` has a name that the operator did not set. An IP address cannot be rebound. */
export function hasForeignHost(
  { host }: GuardedHeaders,
  { hostnames }: Pick<BrowserGuardOptions, "hostnames">,
): boolean {
  // Browsers always send `Host`; only HTTP/1.0 clients and probes omit it.
  if (hostnames === null || !host) return false;
  const hostname = host.toLowerCase().replace(/:\d*$/, "");
  return hostname !== "localhost" && !isIpLiteral(hostname) && !hostnames.includes(hostname);
}

/**
 * Checks for CSRF: a page of another origin sent the request.
 *
 * `same-site` is refused like `cross-site`, also in a GET without `Origin` (an image, a link): a web server on another
 * port of this machine may show untrusted content, which must not start lookups. `none` means the address bar. Pages of
 * the listed origins of CORS are not foreign; their requests without `Origin` (an image, a link) are, like all others.
 */
export function isFromForeignPage(headers: GuardedHeaders, options: CorsOptions): boolean {
  const { "sec-fetch-site": site, origin, host } = headers;
  // The browser has compared the origins itself. We cannot: behind a TLS proxy, `Host` lacks the scheme and the port.
  if (site === "same-origin" || isListedOrigin(origin, options)) return false;
  if (site !== undefined && site !== "none") return true;
  // Browsers send `Sec-Fetch-Site` only to https and loopback, so elsewhere `Origin` decides. `null` is foreign, too.
  return origin !== undefined && origin !== `http://${host?.toLowerCase() ?? ""}`;
}

/** Refuses requests for foreign hosts and from foreign pages. */
export function createBrowserGuard(options: BrowserGuardOptions): BrowserGuard {
  return (headers) => hasForeignHost(headers, options) || isFromForeignPage(headers, options);
}
