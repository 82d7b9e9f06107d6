import { Resolver, lookup } from "node:dns/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { within } from "../domain/timeout.ts";
import { nameError } from "./shortage.ts";

/**
 * Resolves a name to its addresses: at least one, as text, in no particular order.
 *
 * @throws OracleError `source_unreachable`; `overloaded` if there is no file descriptor left for the query
 */
export type Resolve = (hostname: string, signal: AbortSignal) => Promise<string[]>;

export interface ResolverOptions {
  readonly timeoutMs: number;
  /** Name servers, `address` or `address:port`; if absent, the system's own. */
  readonly servers?: readonly string[];
}

// Maximum wait for the slower address family. Happy Eyeballs (RFC 8305 section 3) says 50 ms, for interactive use.
const secondFamilyMs = 250;

/**
 * Creates a resolver that queries A and AAAA in parallel, without the hosts file and search domains.
 *
 * It uses c-ares, not `dns.lookup`, which occupies libuv's thread pool: eight silent names would block all others.
 */
export function createResolver({ timeoutMs, servers }: ResolverOptions): Resolve {
  return (hostname, outer) =>
    within({ timeoutMs, reason: "name" }, outer, async (signal) => {
      // One per lookup, since cancel() ends all queries of a resolver. Its own timeout doubles with each of the tries,
      // 1 + 2 + 4 sevenths of the time, and may fire late: it only triggers the retries.
      const resolver = new Resolver({ timeout: Math.ceil(timeoutMs / 7), tries: 3 });
      if (servers) resolver.setServers(servers);
      signal.addEventListener("abort", () => resolver.cancel());
      const families = [resolver.resolve4(hostname), resolver.resolve6(hostname)];
      const addresses: string[] = [];
      // One failed family is ignored if the other has addresses: many name servers handle AAAA wrongly.
      const all = Promise.all(
        families.map((family) => family.then((answers) => void addresses.push(...answers)).catch(() => undefined)),
      );
      const one = Promise.any(families).then(() => sleep(secondFamilyMs, undefined, { ref: false }));
      await Promise.race([all, one.catch(() => all)]);
      resolver.cancel();
      if (addresses.length === 0) throw await nameError("the name has no address");
      return addresses;
    });
}

/** Resolves names in the operator's rewrites with the system resolver: hosts file and container DNS included. */
export const resolveTrusted: Resolve = async (hostname) => {
  try {
    return (await lookup(hostname, { all: true })).map(({ address }) => address);
  } catch {
    throw await nameError("a rewrite's own name has no address");
  }
};
