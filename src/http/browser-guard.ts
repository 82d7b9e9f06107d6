/**
 * While no token is set: rejects requests that foreign websites make a browser send from inside the network.
 *
 * - CSRF: a page of another origin sends requests here. It cannot read the answers, but `GET /metadata` starts a
 * lookup. The
 *   browser adds `Sec-Fetch-Site` (W3C Fetch Metadata) and, unless it is a plain GET, `Origin`.
 * - DNS rebinding: a name of the attacker's resolves to 127.0.0.1, and the browser takes this service for the
 * attacker's own
 *   origin: its page may read, start and delete. The browser still sends that name in `Host`.
 *
 * Programs that are not browsers send neither `Origin` nor `Sec-Fetch-Site`. With tokens none of this is needed: no
 * page knows them, and browsers do not add them.
 */
import type { IncomingHttpHeaders } from "node:http";
import { isIP, isIPv6 } from "node:net";

export interface BrowserGuardOptions {
  /** Names, in lower case, that `Host` may have besides `localhost` and IP addresses; null accepts every name. */
  readonly hostnames: readonly string[] | null;
}

export type GuardedHeaders = Pick<IncomingHttpHeaders, "host" | "origin"> & { readonly "sec-fetch-site"?: unknown };

/** Whether to refuse requests with these headers. */
export type BrowserGuard = (headers: GuardedHeaders) => boolean;

function isIpLiteral(hostname: string): boolean {
  return hostname.startsWith("[") ? isIPv6(hostname.slice(1, -1)) : isIP(hostname) !== 0;
}

/** DNS rebinding: `Host` has a name that the operator did not set. An IP address cannot be rebound. */
export function hasForeignHost({ host }: GuardedHeaders, { hostnames }: BrowserGuardOptions): boolean {
  // No browser omits it: HTTP/1.0 clients and probes do.
  if (hostnames === null || !host) return false;
  const hostname = host.toLowerCase().replace(/:\d*$/, "");
  return hostname !== "localhost" && !isIpLiteral(hostname) && !hostnames.includes(hostname);
}

/**
 * CSRF: a page of another origin sent it.
 *
 * `same-site` is refused like `cross-site`, also in a GET without `Origin` (an image, a link): another port of this
 * machine may show content of strangers, and a lookup must not be started by it. `none` is the address bar.
 */
function isFromForeignPage({ "sec-fetch-site": site, origin, host }: GuardedHeaders): boolean {
  // A CORS setting would accept its origins here, before the other rules. The browser compared the origins itself:
  // behind a proxy with TLS, `Host` alone does not have the scheme and the port.
  if (site === "same-origin") return false;
  if (site !== undefined && site !== "none") return true;
  // Browsers send `Sec-Fetch-Site` only to https and loopback, so elsewhere `Origin` decides. `null` is foreign, too.
  return origin !== undefined && origin !== `http://${host?.toLowerCase() ?? ""}`;
}

/** Refuses requests for foreign hosts and from foreign pages. */
export function createBrowserGuard(options: BrowserGuardOptions): BrowserGuard {
  return (headers) => hasForeignHost(headers, options) || isFromForeignPage(headers);
}
