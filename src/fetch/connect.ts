import { connect as connectTcp, isIP, isIPv6, type LookupFunction, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { OracleError } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";
import { type AddressPolicy, isSameAddress, nat64TargetOf } from "./address.ts";
import { within } from "../domain/timeout.ts";
import { createReadBuffers, type ReadBuffers } from "./read-buffers.ts";
import type { Resolve } from "./resolver.ts";
import type { Shares } from "./shares.ts";
import type { Permit, Semaphore } from "../domain/limits.ts";
import { toSourceError } from "./source-error.ts";
import { isAddressHost, portOf } from "./target.ts";

/**
 * Opens a new connection to the host of a target, after the SSRF guard has accepted all of its addresses.
 *
 * The socket has an `error` listener that does nothing: the caller adds its own and destroys the socket.
 *
 * @throws OracleError `source_unreachable`; `host_busy` if all addresses are at their connection limit
 */
export type Connect = (target: Target, signal: AbortSignal) => Promise<Socket>;

export interface ConnectOptions {
  readonly resolve: Resolve;
  /** For the right side of rewrites, which the operator configured. */
  readonly resolveTrusted: Resolve;
  readonly addressPolicy: AddressPolicy;
  /** Concurrency limit per address and per block: many names may lead to one victim. Queue time is connect time. */
  readonly addressSlots: Semaphore;
  /** Which limits a connection counts against. */
  readonly shares: Shares;
  /** For name, TCP and TLS together. */
  readonly connectTimeoutMs: number;
  /** PEM; if absent, Node's bundled certificate authorities. */
  readonly ca?: string;
}

// A name may have hundreds of addresses, of any victims that its owner chooses.
const maxAddressesTried = 4;

/** An accepted address and its connection permit, which is released when the connection closes. */
interface Candidate {
  readonly address: string;
  readonly slot: Permit;
}

// Happy Eyeballs (RFC 8305 section 5): the delay before the next address is tried in parallel.
const nextAddressMs = 250;

/**
 * Creates the connector with the SSRF guard: checks every address of a name before the first connection.
 *
 * DNS pinning against DNS rebinding: connects to the checked addresses, without a second DNS query.
 */
export function createConnect(options: ConnectOptions): Connect {
  const readBuffers = createReadBuffers();
  const phase = { timeoutMs: options.connectTimeoutMs, reason: "timeout" } as const;

  async function addressesOf(target: Target, port: number, signal: AbortSignal): Promise<string[]> {
    const { host, hostname } = target.via ?? target.url;
    const resolve = target.via ? options.resolveTrusted : options.resolve;
    // An IP address in the URL takes the same path as a name: net calls no lookup hook for it.
    const isName = !isAddressHost(hostname);
    const addresses = isName ? await resolve(hostname, signal) : [hostname.replace(/^\[|\]$/g, "")];
    if (addresses.length === 0) throw new OracleError("source_unreachable", "no address", { reason: "name" });
    if (target.via) return addresses;
    const accepted = addresses.filter((address) => options.addressPolicy(address, port, isName));
    // A DNS64 also maps the private addresses that the operator allows: these are left out, and reached directly.
    const isMapped = (address: string) => accepted.includes(nat64TargetOf(address) ?? "");
    // One forbidden address refuses the name: a mix of good and bad addresses bets on our trying them in turn.
    if (!addresses.every((address) => accepted.includes(address) || isMapped(address))) {
      const refusal = { rule: "the address policy", host };
      throw new OracleError("source_unreachable", "a refused address", { reason: "address", refusal });
    }
    return accepted;
  }

  /** Returns all addresses below their connection limit; if there is none, waits for the first address. */
  async function waysTo(
    target: Target,
    addresses: readonly string[],
    port: number,
    signal: AbortSignal,
  ): Promise<Candidate[]> {
    const limitsOf = (address: string) => options.shares.ofConnection(target, address, port);
    const ways = addresses.flatMap((address) => {
      const slot = options.addressSlots.tryTake(limitsOf(address));
      return slot ? [{ address, slot }] : [];
    });
    const [first] = addresses;
    if (ways.length > 0 || first === undefined) return ways;
    return [{ address: first, slot: await options.addressSlots.take(limitsOf(first), signal) }];
  }

  return async (target, outer) => {
    let waits = false;
    const place = target.via ?? target.url;
    const isSecure = place.protocol === "https:"; // TLS reads the socket itself, into its own buffers

    /** Waits for an address at its limit only after all others have failed. */
    async function connectToAny(addresses: readonly string[], port: number, signal: AbortSignal): Promise<Socket> {
      waits = true;
      const ways = await waysTo(target, addresses, port, signal);
      waits = false;
      if (signal.aborted) {
        for (const { slot } of ways) slot.release();
        throw new OracleError("source_unreachable", "too late to connect", { reason: "timeout" });
      }
      const others = addresses.filter((address) => !ways.some((way) => way.address === address));
      const socket = connectToFirst(ways, port, signal, isSecure ? null : readBuffers);
      return others.length === 0 ? socket : socket.catch(() => connectToAny(others, port, signal));
    }

    const opened = within(phase, outer, async (signal) => {
      const port = portOf(place);
      const addresses = await addressesOf(target, port, signal);
      try {
        const socket = await connectToAny(inTurn(addresses), port, signal);
        return isSecure ? await secured(socket, target.url.hostname, options.ca) : socket;
      } catch (error) {
        throw toSourceError(error);
      }
    });
    return opened.catch((error: unknown) => {
      // Nothing was sent to the host, so this is no failure of the host.
      throw waits ? new OracleError("host_busy", "no room at the address or its block in time") : error;
    });
  };
}

/**
 * Happy Eyeballs order: interleaves the address families, IPv6 first, and drops all beyond `maxAddressesTried`.
 *
 * NAT64 is a family of its own, after IPv4: the only way in a network without IPv4, where connecting to IPv4 fails at once,
 * and in all others a detour.
 */
function inTurn(addresses: readonly string[]): string[] {
  const unique = [...new Set(addresses)];
  const nat64 = unique.filter((address) => nat64TargetOf(address) !== null);
  const v6 = unique.filter((address) => isIPv6(address) && !nat64.includes(address));
  const v4 = unique.filter((address) => !isIPv6(address));
  return unique
    .flatMap((_, index) => [v6[index], v4[index], nat64[index]])
    .filter((address) => address !== undefined)
    .slice(0, maxAddressesTried);
}

/** Happy Eyeballs (RFC 8305): tries the next address if the previous one fails or is slow; first connection wins. */
function connectToFirst(
  ways: readonly Candidate[],
  port: number,
  signal: AbortSignal,
  readBuffers: ReadBuffers | null,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const trying = new Set<Socket>();
    const untried = [...ways];
    let timer: NodeJS.Timeout | undefined;

    function end() {
      clearTimeout(timer);
      for (const { slot } of untried.splice(0)) slot.release();
      for (const socket of trying) socket.destroy();
      trying.clear();
    }

    function tryNext() {
      clearTimeout(timer);
      const way = untried.shift();
      if (!way) return;
      const { address, slot } = way;
      const reading = readBuffers?.lend();
      const socket = connectTcp({
        host: address,
        port,
        family: isIP(address),
        lookup: neverLookup,
        noDelay: true,
        ...(reading && { onread: reading.onread }),
      });
      reading?.feed(socket);
      trying.add(socket);
      socket.once("close", () => slot.release());
      // For the whole phase, the TLS handshake included.
      signal.addEventListener("abort", () => socket.destroy());
      socket.on("error", (error) => {
        if (!trying.delete(socket)) return;
        if (trying.size === 0 && untried.length === 0) reject(error);
        else tryNext();
      });
      socket.once("connect", () => {
        trying.delete(socket);
        end();
        // SSRF guard, second check: the peer of the established connection must be the checked address.
        if (isSameAddress(address, socket.remoteAddress ?? "")) return resolve(socket);
        socket.destroy();
        reject(new OracleError("source_unreachable", "connected to another address", { reason: "address" }));
      });
      timer = setTimeout(tryNext, nextAddressMs);
    }

    signal.addEventListener("abort", end);
    tryNext();
  });
}

/** Fails for every name: a second DNS lookup after the check would allow DNS rebinding. */
const neverLookup: LookupFunction = (_hostname, _options, callback) =>
  callback(new OracleError("internal", "a name was to be connected to"), "");

/** Starts TLS on the socket; the certificate must match the name or address in the URL. */
function secured(socket: Socket, hostname: string, ca: string | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const host = hostname.replace(/^\[|\]$/g, "");
    const secure = connectTls({
      socket,
      host, // the certificate must match this if there is no servername
      ...(isIP(host) ? {} : { servername: host }), // SNI has no addresses (RFC 6066 section 3)
      ...(ca === undefined ? {} : { ca }),
      ALPNProtocols: ["http/1.1"],
      rejectUnauthorized: true, // explicit, so that NODE_TLS_REJECT_UNAUTHORIZED cannot turn it off
    });
    secure.on("error", reject);
    secure.once("secureConnect", () => resolve(secure));
  });
}
