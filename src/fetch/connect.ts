import { connect as connectTcp, isIP, isIPv6, type LookupFunction, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { OracleError } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";
import { type AddressPolicy, isSameAddress } from "./address.ts";
import { within } from "./deadline.ts";
import type { Resolve } from "./resolver.ts";
import { toSourceError } from "./source-error.ts";
import { isAddressHost, portOf } from "./target.ts";

/**
 * Opens a fresh connection to the host of a target, ready to be written to.
 *
 * The socket has an `error` listener that does nothing: whoever takes it over adds their own and destroys it.
 *
 * @throws OracleError `source_unreachable`
 */
export type Connect = (target: Target, signal: AbortSignal) => Promise<Socket>;

export interface ConnectOptions {
  readonly resolve: Resolve;
  /** For the right side of rewrites, which the operator chose. */
  readonly resolveTrusted: Resolve;
  readonly addressPolicy: AddressPolicy;
  /** For name, TCP and TLS together. */
  readonly connectTimeoutMs: number;
  /** PEM; the certificate authorities that Node comes with where absent. */
  readonly ca?: string;
}

// A name may have hundreds of addresses, of whomever its owner wants to see knocked at.
const maxAddressesTried = 4;

// RFC 8305 section 5: after that long the next address is tried beside the first.
const nextAddressMs = 250;

/**
 * Binds the guard: every address that the name has is judged before any is connected to, and the connection goes to
 * the very addresses that were judged, without a second question to the name servers.
 */
export function createConnect(options: ConnectOptions): Connect {
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

  return (target, outer) =>
    within(phase, outer, async (signal) => {
      const place = target.via ?? target.url;
      const port = portOf(place);
      const addresses = await addressesOf(target, port, signal);
      if (signal.aborted) throw new OracleError("source_unreachable", "too late to connect", { reason: "timeout" });
      try {
        const socket = await connectToFirst(inTurn(addresses), port, signal);
        return place.protocol === "https:" ? await secured(socket, target.url.hostname, options.ca) : socket;
      } catch (error) {
        throw toSourceError(error);
      }
    });
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
function connectToFirst(addresses: readonly string[], port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const trying = new Set<Socket>();
    const untried = [...addresses];
    let timer: NodeJS.Timeout | undefined;

    function end() {
      clearTimeout(timer);
      untried.length = 0;
      for (const socket of trying) socket.destroy();
      trying.clear();
    }

    function tryNext() {
      clearTimeout(timer);
      const address = untried.shift();
      if (address === undefined) return;
      const socket = connectTcp({ host: address, port, family: isIP(address), lookup: neverLookup, noDelay: true });
      trying.add(socket);
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
