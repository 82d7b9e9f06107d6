import type { FastifyRequest } from "fastify";
import { isIPv6 } from "node:net";
import type { Fields } from "../domain/fields.ts";
import type { Target } from "../domain/target.ts";

/** What a client asked in its current minute, the latest question included. */
export interface Count {
  readonly asked: number;
  /** Milliseconds until that minute is over. */
  readonly leftMs: number;
}

export interface RateLimitOptions {
  /** Questions in a minute from one token, or one address where no token is needed. */
  readonly perMinute: number;
  /** Whether the answer would come from memory; starts nothing. Such questions are not counted, and never refused. */
  readonly isRemembered: (target: Target, fields: Fields) => boolean;
  /** Null where there are no other replicas. */
  readonly together: CountTogether | null;
  /** Milliseconds, never set back. */
  readonly now: () => number;
}

/** What replicas count together. Both take a moment, and no more than that where the others cannot be asked. */
export interface CountTogether {
  /** Whether what one of them remembers can be answered at once here too. */
  isRemembered(target: Target, fields: Fields): Promise<boolean>;
  /** Counts a question within minutes of such a length; null where that is not possible now: then this process counts. */
  count(account: string, windowMs: number): Promise<Count | null>;
}

/** A question that is one too many, in the words of its headers. */
export interface Refusal {
  /** Of `Retry-After` (RFC 9110 10.2.3): seconds until the next minute of this client begins. */
  readonly retryAfter: string;
  /** Of `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4). */
  readonly rateLimit: string;
  readonly policy: string;
}

/** Counts the question; gives the refusal where it is one too many, else null. At once, but where replicas count together. */
export type RateLimit = (
  request: FastifyRequest,
  target: Target,
  fields?: Fields,
) => Refusal | null | Promise<Refusal | null>;

const windowMs = 60_000;

// Each takes some 200 bytes: 4 MB. Past it the oldest is forgotten: who has that many addresses has as many quotas anyway.
const maxClients = 20_000;

/**
 * Limits what each client may ask in a minute that begins with its first question.
 *
 * A fixed minute, not a bucket that refills: what is promised is what the headers can say, and a client that keeps to it is never
 * refused. Who asks at the end of one minute and the beginning of the next gets twice as much in a short time, once.
 */
export function createRateLimit({ perMinute, isRemembered, together, now }: RateLimitOptions): RateLimit {
  const count = createCounter(now);
  const policy = `"client";q=${perMinute};w=${windowMs / 1000}`;

  function judge({ asked, leftMs }: Count): Refusal | null {
    if (asked <= perMinute) return null;
    const seconds = String(Math.ceil(leftMs / 1000));
    return { retryAfter: seconds, rateLimit: `"client";r=0;t=${seconds}`, policy };
  }

  async function countTogether(account: string, others: CountTogether): Promise<Refusal | null> {
    return judge((await others.count(account, windowMs)) ?? count(account));
  }

  return (request, target, fields = null) => {
    if (isRemembered(target, fields)) return null;
    const account = request.client?.account ?? addressAccount(request.socket.remoteAddress ?? "");
    if (!together) return judge(count(account));
    return together.isRemembered(target, fields).then((is) => (is ? null : countTogether(account, together)));
  };
}

/** Counts the questions of each client within this process. */
function createCounter(now: () => number): (account: string) => Count {
  // In the order in which their minutes began, so that those that are over are the first.
  const clients = new Map<string, { readonly until: number; asked: number }>();

  function forget(time: number) {
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
      forget(time);
      client = { until: time + windowMs, asked: 0 };
      clients.set(account, client);
    }
    client.asked += 1;
    return { asked: client.asked, leftMs: client.until - time };
  };
}

/**
 * What an address is counted as: IPv4 by itself, also where it is mapped (RFC 4291 2.5.5.2), IPv6 by its /64, since that is the
 * least that anybody is given (RFC 6177) and every one of its addresses is theirs.
 *
 * @param address as Node writes it: lower case, zeros shortened
 */
export function addressAccount(address: string): string {
  const plain = address.replace(/%.*$/, "").replace(/^::ffff:(?=[\d.]+$)/, "");
  if (!isIPv6(plain)) return plain;
  // The `::` stands for as many zeros as there is room for.
  const [left = [], right = []] = plain.split("::").map((part) => (part === "" ? [] : part.split(":")));
  const zeros = Array<string>(8 - left.length - right.length).fill("0");
  return `${[...left, ...zeros, ...right].slice(0, 4).join(":")}::/64`;
}
