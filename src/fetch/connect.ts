import { connect as connectTcp, isIP, isIPv6, type LookupFunction, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { OracleError } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";
import { type AddressPolicy, isSameAddress } from "./address.ts";
import { within } from "../load/deadline.ts";
import { createReadBuffers, type ReadBuffers } from "./read-buffers.ts";
import type { Resolve } from "./resolver.ts";
import type { Shares } from "./shares.ts";
import type { Permit, Semaphore } from "../load/semaphore.ts";
import { toSourceError } from "./source-error.ts";
import { isAddressHost, portOf } from "./target.ts";

/**
 * Opens a fresh connection to the host of a target, ready to be written to.
 *
 * The socket has an `error` listener that does nothing: whoever takes it over adds their own and destroys it.
 *
 * @throws OracleError `source_unreachable`; `host_busy` if the addresses have all the connections that they may have
 */
export type Connect = (target: Target, signal: AbortSignal) => Promise<Socket>;

export interface ConnectOptions {
  readonly resolve: Resolve;
  /** For the right side of rewrites, which the operator chose. */
  readonly resolveTrusted: Resolve;
  readonly addressPolicy: AddressPolicy;
  /** Connections at once to one address, and to one block: many names may lead to one victim. Waiting counts as connecting. */
  readonly addressSlots: Semaphore;
  /** Which limits a connection counts against. */
  readonly shares: Shares;
  /** For name, TCP and TLS together. */
  readonly connectTimeoutMs: number;
  /** PEM; the certificate authorities that Node comes with where absent. */
  readonly ca?: string;
}

// A name may have hundreds of addresses, of whomever its owner wants to see knocked at.
const maxAddressesTried = 4;

/** An address that may be connected to, and the right to: it goes back when the connection is closed. */
interface Candidate {
  readonly address: string;
  readonly slot: Permit;
}

// RFC 8305 section 5: after that long the next address is tried beside the first.
const nextAddressMs = 250;

/**
 * Binds the guard: every address that the name has is judged before any is connected to, and the connection goes to
 * the very addresses that were judged, without a second question to the name servers.
 */
export function createConnect(options: ConnectOptions): Connect {
  const readBuffers = createReadBuffers();
  const phase = { timeoutMs: options.connectTimeoutMs, reason: "timeout" } as const;

  async function addressesOf(target: Target, port: number, signal: AbortSignal): Promise<string[]> {
    const host = (target.via ?? target.url).hostname;
    const resolve = target.via ? options.resolveTrusted : options.resolve;
    // An address goes the same way as a name; the hooks of net and undici for lookups are not called for one.
    const addresses = isAddressHost(host) ? [host.replace(/^\[|\]$/g, "")] : await resolve(host, signal);
    if (addresses.length === 0) throw new OracleError("source_unreachable", "no address", { reason: "name" });
    // One bad answer refuses the name: those who mix good and bad ones hope that we try them in turn.
    if (!target.via && !addresses.every((address) => options.addressPolicy(address, port))) {
      throw new OracleError("source_unreachable", "the address policy refuses an address", { reason: "address" });
    }
    return addresses;
  }

  /** All addresses that have room now; if none has, the first one, as soon as it has. */
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
    const isSecure = place.protocol === "https:"; // TLS has the connection's bytes to itself, and memory of its own

    /** An address without room is waited for only where those that have some did not answer. */
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
      // Nothing was sent to the host, so nothing is remembered of it.
      throw waits ? new OracleError("host_busy", "no room at the address or its block in time") : error;
    });
  };
}

/** The two families by turns, the newer first, and not more than are worth trying. */
function inTurn(addresses: readonly string[]): string[] {
  const unique = [...new Set(addresses)];
  const v6 = unique.filter(isIPv6);
  const v4 = unique.filter((address) => !isIPv6(address));
  return unique
    .flatMap((_, index) => [v6[index], v4[index]])
    .filter((address) => address !== undefined)
    .slice(0, maxAddressesTried);
}

/** Connects to the first address that answers; each next one is tried when the one before failed or takes its time. */
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
      // For all of the phase, not only while it is being tried: in the TLS handshake too.
      signal.addEventListener("abort", () => socket.destroy());
      socket.on("error", (error) => {
        if (!trying.delete(socket)) return;
        if (trying.size === 0 && untried.length === 0) reject(error);
        else tryNext();
      });
      socket.once("connect", () => {
        trying.delete(socket);
        end();
        // Once more, of the connection itself: whatever lies between the check and the kernel, this is who we talk to.
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

/** Addresses only: a name that came this far would be looked up a second time, after the check. */
const neverLookup: LookupFunction = (_hostname, _options, callback) =>
  callback(new OracleError("internal", "a name was to be connected to"), "");

/** Speaks TLS over the connection; the certificate must be for the name or address that stands in the URL. */
function secured(socket: Socket, hostname: string, ca: string | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const host = hostname.replace(/^\[|\]$/g, "");
    const secure = connectTls({
      socket,
      host, // who the certificate must be for, where there is no servername
      ...(isIP(host) ? {} : { servername: host }), // RFC 6066 section 3: no addresses
      ...(ca === undefined ? {} : { ca }),
      ALPNProtocols: ["http/1.1"],
      rejectUnauthorized: true, // said, so that no variable of the environment can turn it off
    });
    secure.on("error", reject);
    secure.once("secureConnect", () => resolve(secure));
  });
}
