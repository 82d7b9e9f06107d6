import { Resolver, lookup } from "node:dns/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { within } from "../load/deadline.ts";
import { nameError } from "./shortage.ts";

/**
 * The addresses of a name, at least one, as text; in no order that means anything.
 *
 * @throws OracleError `source_unreachable`; `overloaded` if there is no descriptor left to ask with
 */
export type Resolve = (hostname: string, signal: AbortSignal) => Promise<string[]>;

export interface ResolverOptions {
  readonly timeoutMs: number;
  /** Who is asked, `address` or `address:port`; the system's own where absent. */
  readonly servers?: readonly string[];
}

// How long the slower of the two families is waited for (RFC 8305 section 3 says 50 ms, for people who watch).
const secondFamilyMs = 250;

/**
 * Asks the name servers for A and AAAA at once, without the hosts file and search domains.
 *
 * By c-ares, not `dns.lookup`: that one sits in libuv's pool, where eight silent names would hold up every other one.
 */
export function createResolver({ timeoutMs, servers }: ResolverOptions): Resolve {
  return (hostname, outer) =>
    within({ timeoutMs, reason: "name" }, outer, async (signal) => {
      // One for each lookup, since cancel() ends all that a resolver has under way. Its own timeout doubles with each of
      // the tries, 1 + 2 + 4 sevenths of the time, and may fire late: it only says when to ask again.
      const resolver = new Resolver({ timeout: Math.ceil(timeoutMs / 7), tries: 3 });
      if (servers) resolver.setServers(servers);
      signal.addEventListener("abort", () => resolver.cancel());
      const families = [resolver.resolve4(hostname), resolver.resolve6(hostname)];
      const addresses: string[] = [];
      // A family that fails is no failure while the other answers: half the name servers out there get AAAA wrong.
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

/** For the names in the operator's own rewrites, which may stand in the hosts file or a container's: as the system does it. */
export const resolveTrusted: Resolve = async (hostname) => {
  try {
    return (await lookup(hostname, { all: true })).map(({ address }) => address);
  } catch {
    throw await nameError("a rewrite's own name has no address");
  }
};
