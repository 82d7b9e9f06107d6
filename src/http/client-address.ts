import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** Returns the address of a request's client, for the rate limit and the log; empty if its connection is closed. */
export type AddressOf = (request: Pick<IncomingMessage, "headers" | "socket">) => string;

/**
 * Creates the function that finds the client's address: the peer of the connection, or behind trusted proxies the rightmost
 * address in `X-Forwarded-For` that is not a trusted proxy.
 *
 * Each proxy appends the address of its own peer, so an entry is as reliable as the proxy to its right. A client can write
 * any entries of its own, but they end up to the left of its address, where nothing is read. An entry that is not an
 * address (`unknown`) ends the search: the client is then the proxy that sent it.
 *
 * @param isTrustedProxy null if there are none: then the header is never read
 */
export function createAddressOf(isTrustedProxy: ((address: string) => boolean) | null): AddressOf {
  return ({ socket, headers }) => {
    const peer = socket.remoteAddress ?? "";
    if (!isTrustedProxy) return peer;
    let client = plainAddress(peer) ?? peer;
    for (const entry of entriesFromRight(headers["x-forwarded-for"])) {
      if (!isTrustedProxy(client)) break;
      const address = addressIn(entry);
      if (address === null) break;
      client = address;
    }
    return client;
  };
}

/** Yields the entries of the header, the last one first. Without splitting it all: a client may send 32 KiB of them. */
function* entriesFromRight(header: IncomingMessage["headers"][string]): Generator<string> {
  if (header === undefined) return;
  // Node joins repeated lines of this header with commas, in their order (RFC 9110 5.3).
  const text = String(header);
  for (let end = text.length; end >= 0;) {
    const comma = end === 0 ? -1 : text.lastIndexOf(",", end - 1);
    yield text.slice(comma + 1, end).trim();
    end = comma;
  }
}

/** Returns the address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`; else null. */
function addressIn(entry: string): string | null {
  const [, bracketed] = /^\[([\d.:a-f]{2,45})\](?::\d{1,5})?$/i.exec(entry) ?? [];
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? plainAddress(bracketed) : null;
  const [, withPort] = /^([\d.]{7,15}):\d{1,5}$/.exec(entry) ?? [];
  return plainAddress(withPort ?? entry);
}

/** Returns the address as Node writes it, an IPv4-mapped one (RFC 4291 2.5.5.2) as IPv4; null if it is none, or has a zone. */
function plainAddress(text: string): string | null {
  // First the strict check: ipaddr.js also reads 0x7f.1.
  if (isIP(text) === 0 || text.includes("%")) return null;
  return ipaddr.process(text).toString();
}
