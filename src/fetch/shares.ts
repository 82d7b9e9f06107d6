import { getDomain } from "tldts";
import type { Target } from "../domain/target.ts";
import { type AddressPolicy, blockOf, nat64TargetOf } from "./address.ts";
import type { Limits } from "../domain/limits.ts";
import { isAddressHost, portOf } from "./target.ts";

/**
 * Fairness policy: the limits that a lookup, a connection and a body count against, so that no host, site or network
 * can take the fetch resources from the others.
 *
 * - A lookup counts against its origin (`maxPerHost`) and its site (`maxPerSite`): subdomains are free.
 * - A connection counts against its address and port (`maxPerHost`) and its block of addresses (`maxPerBlock`): domains
 *   are cheap, networks are not.
 * - The memory for bodies counts against the site (load/byte-budget.ts).
 *
 * The operator's own upload hosts, named in ALLOW_ADDRESSES or on the right side of a rewrite, have the host limit
 * only: all their users share one site.
 */
export interface Shares {
  ofLookup(target: Target): Limits;
  ofConnection(target: Target, address: string, port: number): Limits;
  /** The site whose share of the memory a body counts against; null for the operator's own hosts. */
  siteOfBody(target: Target, address: string): string | null;
}

export interface SharesOptions {
  readonly maxPerHost: number;
  readonly maxPerSite: number;
  readonly maxPerBlock: number;
  /** Whether an operator's rule includes the address and port. */
  readonly isOwn: AddressPolicy;
}

// One site, or one block of addresses, has at most half of the fetches at once.
const shareOfFetches = 1 / 2;

/** Derives the limits from the settings: a host has at most `maxPerHost` of the `maxFetches` at once. */
export function shareLimitsOf(maxFetches: number, maxPerHost: number): Omit<SharesOptions, "isOwn"> {
  const maxPerShare = Math.max(maxPerHost, Math.ceil(maxFetches * shareOfFetches));
  return { maxPerHost, maxPerSite: maxPerShare, maxPerBlock: maxPerShare };
}

export function createShares({ maxPerHost, maxPerSite, maxPerBlock, isOwn }: SharesOptions): Shares {
  /** Checks only the text of the URL: the name is not resolved yet. */
  function isOwnTarget({ url, via }: Target): boolean {
    if (via !== null) return true;
    return isAddressHost(url.hostname) && isOwn(withoutBrackets(url.hostname), portOf(url));
  }

  return {
    ofLookup(target) {
      const host = { key: `host ${target.url.origin}`, maxActive: maxPerHost };
      if (isOwnTarget(target)) return [host];
      return [host, { key: `site ${siteOf(target.url.hostname)}`, maxActive: maxPerSite }];
    },
    ofConnection(target, address, port) {
      // Also through NAT64 it is one host.
      const place = { key: `address ${nat64TargetOf(address) ?? address} ${port}`, maxActive: maxPerHost };
      if (target.via !== null || isOwn(address, port)) return [place];
      return [place, { key: `block ${blockOf(address)}`, maxActive: maxPerBlock }];
    },
    siteOfBody(target, address) {
      if (target.via !== null || isOwn(address, portOf(target.url))) return null;
      return siteOf(target.url.hostname);
    },
  };
}

/**
 * Returns the site of a host: its registrable domain by the Public Suffix List, or the block of an IP address.
 *
 * The list's private section counts: each customer of a hosting service is a site, as in browsers. So does a public
 * suffix itself.
 */
export function siteOf(hostname: string): string {
  if (isAddressHost(hostname)) return blockOf(withoutBrackets(hostname));
  return getDomain(hostname, { allowPrivateDomains: true, extractHostname: false }) ?? hostname;
}

function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, "");
}
