import type { FastifyRequest } from "fastify";
import { isIPv6 } from "node:net";
import type { Fields } from "../domain/fields.ts";
import type { Target } from "../domain/target.ts";
import type { AddressOf } from "./client-address.ts";

/** The number of a client's lookups in its current minute, the latest one included. */
export interface Count {
  readonly used: number;
  /** Milliseconds until that minute is over. */
  readonly leftMs: number;
}

export interface RateLimitOptions {
  /** Lookups a minute for one token, or for one client address if no token is needed. */
  readonly perMinute: number;
  /** Whether the cache would answer; starts no lookup. Such questions are not counted, and never rejected. */
  readonly isCached: (target: Target, fields: Fields) => boolean;
  /** Null if there are no other replicas. */
  readonly together: CountTogether | null;
  readonly addressOf: AddressOf;
  /** Monotonic clock, in milliseconds. */
  readonly now: () => number;
}

/** The count that replicas share. Both calls are asynchronous, and return soon even if Redis is unavailable. */
export interface CountTogether {
  /** Whether the shared cache would answer at once. */
  isCached(target: Target, fields: Fields): Promise<boolean>;
  /** Counts a question in a window of this length; null if Redis is unavailable: then this process counts. */
  count(account: string, windowMs: number): Promise<Count | null>;
}

/** The headers of a response to a request above the limit. */
export interface Refusal {
  /** Of `Retry-After` (RFC 9110 10.2.3): seconds until the next minute of this client begins. */
  readonly retryAfter: string;
  /** Of `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4). */
  readonly rateLimit: string;
  readonly policy: string;
}

/** Counts a lookup; returns the refusal if it exceeds the limit, else null. A promise if replicas share the count. */
export type RateLimit = (
  request: FastifyRequest,
  target: Target,
  fields?: Fields,
) => Refusal | null | Promise<Refusal | null>;

export const windowMs = 60_000;

// 20,000 x some 200 bytes = 4 MB. Above it the oldest is evicted: a client with that many addresses has as many quotas anyway.
const maxClients = 20_000;

/**
 * Rate limit: bounds the lookups of each client in a minute that begins with its first lookup.
 *
 * A fixed window, not a token bucket: the headers describe it exactly, and a client that follows them is never
 * rejected. Around the end of a window a client can get twice the limit in a short time, once.
 */
export function createRateLimit({ perMinute, isCached, together, addressOf, now }: RateLimitOptions): RateLimit {
  const count = createCounter(now);
  const policy = `"client";q=${perMinute};w=${windowMs / 1000}`;

  function judge({ used, leftMs }: Count): Refusal | null {
    if (used <= perMinute) return null;
    const seconds = String(Math.ceil(leftMs / 1000));
    return { retryAfter: seconds, rateLimit: `"client";r=0;t=${seconds}`, policy };
  }

  async function countTogether(account: string, others: CountTogether): Promise<Refusal | null> {
    return judge((await others.count(account, windowMs)) ?? count(account));
  }

  return (request, target, fields = null) => {
    if (isCached(target, fields)) return null;
    const account = request.client?.account ?? addressAccount(addressOf(request));
    if (!together) return judge(count(account));
    return together.isCached(target, fields).then((is) => (is ? null : countTogether(account, together)));
  };
}

/** Counts the lookups of each client within this process. */
function createCounter(now: () => number): (account: string) => Count {
  // Ordered by the start of their minutes, so that the expired ones are first.
  const clients = new Map<string, { readonly until: number; used: number }>();

  function dropExpired(time: number) {
    for (const [account, { until }] of clients) {
      if (until > time && clients.size < maxClients) return;
      clients.delete(account);
    }
  }

  return (account) => {
    const time = now();
    let client = clients.get(account);
    if (!client || client.until <= time) {
      clients.delete(account);
      dropExpired(time);
      client = { until: time + windowMs, used: 0 };
      clients.set(account, client);
    }
    client.used += 1;
    return { used: client.used, leftMs: client.until - time };
  };
}

/**
 * Returns the account of an address: IPv4 as a whole, also if it is IPv4-mapped (RFC 4291 2.5.5.2), IPv6 by its /64:
 * the smallest prefix that a site gets (RFC 6177), with all its addresses.
 *
 * @param address as Node writes it: lower case, zeros shortened
 */
export function addressAccount(address: string): string {
  const plain = address.replace(/%.*$/, "").replace(/^::ffff:(?=[\d.]+$)/, "");
  if (!isIPv6(plain)) return plain;
  // `::` stands for as many zeros as fill up eight groups.
  const [left = [], right = []] = plain.split("::").map((part) => (part === "" ? [] : part.split(":")));
  const zeros = Array<string>(8 - left.length - right.length).fill("0");
  return `${[...left, ...zeros, ...right].slice(0, 4).join(":")}::/64`;
}
