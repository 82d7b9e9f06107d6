import { isIPv4, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";
import { isPortIn, parsePort, type PortRange } from "./ports.ts";

/**
 * SSRF guard: allows or refuses an address and port. The address is text.
 *
 * @param isResolved whether it is from a DNS answer, in which NAT64 addresses are judged by the IPv4 address in them; in
 * a URL they are refused like all embedded addresses: no media is published there
 */
export type AddressPolicy = (address: string, port: number, isResolved?: boolean) => boolean;

/** A block of addresses: 4 or 16 bytes, of which the first `bits` count. */
export interface Cidr {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** A rule of ALLOW_ADDRESSES: a block to fetch from although it is not public; on that port only, unless null. */
export interface AddressRule extends Cidr {
  readonly port: number | null;
}

export interface AddressPolicyOptions {
  readonly allow: readonly AddressRule[];
  /** Takes precedence over `allow` and over public addresses. */
  readonly deny: readonly Cidr[];
  /** The ports of public addresses, and of allowed ones whose rule names no port. */
  readonly ports: readonly PortRange[];
}

// `::ffff:a.b.c.d`, RFC 4291 2.5.5.2.
const mappedV6: Cidr = { bytes: Uint8Array.from(ipaddr.parse("::ffff:0:0").toByteArray()), bits: 96 };

// NAT64, RFC 6052 2.1: a DNS64 puts the IPv4 address of an IPv4-only host behind this prefix. The prefix of a network's own
// (RFC 6052 2.2) looks like any other address, and the layout behind 64:ff9b:1::/48 (RFC 8215) is not known.
const nat64: Cidr = { bytes: Uint8Array.from(ipaddr.parse("64:ff9b::").toByteArray()), bits: 96 };

/** IANA IPv4 Special-Purpose Address Registry, and blocks that only look public. Firewalls in `deploy/` repeat it. */
export const notPublicV4: readonly string[] = [
  "0.0.0.0/8", // this network; Linux connects 0.0.0.0 to itself
  "10.0.0.0/8", // RFC 1918
  "100.64.0.0/10", // carrier-grade NAT, RFC 6598; some clouds' metadata too
  "127.0.0.0/8", // loopback
  "168.63.129.16/32", // Azure's WireServer: public by number, the host's by routing
  "169.254.0.0/16", // link-local: the clouds' metadata services
  "172.16.0.0/12", // RFC 1918
  "192.0.0.0/24", // IETF protocol assignments
  "192.0.2.0/24", // documentation
  "192.31.196.0/24", // AS112, RFC 7535
  "192.52.193.0/24", // AMT, RFC 7450
  "192.88.99.0/24", // 6to4 relays, RFC 7526
  "192.168.0.0/16", // RFC 1918
  "192.175.48.0/24", // AS112, RFC 7534
  "198.18.0.0/15", // benchmarking, RFC 2544
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, broadcast
];

// Only the global unicast block of IPv6 is public. Embedded IPv4 addresses are outside it, except those listed here.
export const globalUnicastV6 = "2000::/3";
export const notPublicV6: readonly string[] = [
  "2001::/23", // IETF protocol assignments: Teredo, benchmarking, ORCHID
  "2001:db8::/32", // documentation
  "2002::/16", // 6to4: an IPv4 address inside
  "3ffe::/16", // 6bone, given back
  "3fff::/20", // documentation, RFC 9637
  "2620:4f:8000::/48", // AS112
];

const globalUnicast = parseCidr(globalUnicastV6);
const notPublic = [...notPublicV4, ...notPublicV6].map(parseCidr);

/**
 * Checks that the text is a globally reachable unicast address.
 *
 * Rejects every other spelling: other radices, zone ids, brackets. Also rejects every IPv6 address that embeds an IPv4
 * address (NAT64, 6to4, Teredo, ISATAP): no media is published there, and a gateway could forward the packets anywhere.
 */
export function isPublicAddress(address: string): boolean {
  const bytes = parseAddress(address);
  return bytes !== null && isPublic(bytes);
}

function isPublic(bytes: Uint8Array): boolean {
  if (notPublic.some((block) => contains(block, bytes))) return false;
  return bytes.length === 4 || (contains(globalUnicast, bytes) && !isIsatap(bytes));
}

/**
 * Creates the address policy (SSRF guard). Order: `deny`, then public addresses on `ports`, then `allow`.
 *
 * A rule of `allow` for an IPv4 block does not apply behind NAT64: at the gateway a private address is another machine.
 */
export function createAddressPolicy({ allow, deny, ports }: AddressPolicyOptions): AddressPolicy {
  return (address, port, isResolved = false) => {
    const bytes = parseAddress(address);
    // IPv4-mapped addresses are never unwrapped and never allowed: this spelling would bypass rules for IPv4 blocks.
    if (!bytes || contains(mappedV6, bytes)) return false;
    const reached = reachedBy(bytes);
    if (deny.some((block) => contains(block, bytes) || contains(block, reached))) return false;
    if (isPublic(isResolved ? reached : bytes) && isPortIn(ports, port)) return true;
    return matchesRule(allow, bytes, port, ports);
  };
}

/** Returns the IPv4 address behind a NAT64 address, as text; null for every other address. */
export function nat64TargetOf(address: string): string | null {
  const bytes = parseAddress(address);
  return bytes && contains(nat64, bytes) ? reachedBy(bytes).join(".") : null;
}

/** Returns the IPv4 address behind a NAT64 address, else the address itself. */
function reachedBy(bytes: Uint8Array): Uint8Array {
  return contains(nat64, bytes) ? bytes.subarray(nat64.bits / 8) : bytes;
}

/** Creates the check for the operator's own hosts: whether an `allow` rule includes the address and port. */
export function createOwnership({ allow, ports }: Omit<AddressPolicyOptions, "deny">): AddressPolicy {
  return (address, port) => {
    const bytes = parseAddress(address);
    return bytes !== null && matchesRule(allow, bytes, port, ports);
  };
}

/** Creates the check whether an address is in one of the blocks; false for a text that is no address. */
export function createBlockCheck(blocks: readonly Cidr[]): (address: string) => boolean {
  return (address) => {
    const bytes = parseAddress(address);
    return bytes !== null && blocks.some((block) => contains(block, bytes));
  };
}

function matchesRule(rules: readonly AddressRule[], address: Uint8Array, port: number, ports: readonly PortRange[]) {
  return rules.some(
    (rule) => contains(rule, address) && (rule.port === null ? isPortIn(ports, port) : rule.port === port),
  );
}

// The usual size of one customer's network, and the longest prefix that is routed on the internet (RFC 6177).
const blockBits = { v4: 24, v6: 48 };

/** Returns the block that is likely one network: `192.0.2.0/24`, `2001:db8:1::/48`; the text itself if no address. */
export function blockOf(address: string): string {
  const parsed = parseAddress(address);
  if (!parsed) return address;
  const bytes = reachedBy(parsed);
  const bits = bytes.length === 4 ? blockBits.v4 : blockBits.v6;
  const network = bytes.map((byte, index) => byte & mask(bits, index));
  return `${ipaddr.fromByteArray([...network]).toString()}/${bits}`;
}

/** Parses `10.0.0.0/8`, `fd00::/8`, or a single address. @throws Error a sentence for the operator */
export function parseCidr(text: string): Cidr {
  const [address = "", prefix, ...rest] = text.split("/");
  const bytes = parseAddress(address);
  if (!bytes || rest.length > 0) throw new Error("a block of addresses is written 10.0.0.0/8 or fd00::/8");
  const all = bytes.length * 8;
  if (prefix !== undefined && !/^(0|[1-9]\d{0,2})$/.test(prefix))
    throw new Error("the number after / is a count of bits");
  const bits = prefix === undefined ? all : Number(prefix);
  if (bits > all) throw new Error(`an address of this kind has ${all} bits`);
  // 10.1.2.3/8 is ambiguous: one address or sixteen million.
  if (bytes.some((byte, index) => byte & ~mask(bits, index))) throw new Error(`bits after the first ${bits} are set`);
  if (bits >= mappedV6.bits && contains(mappedV6, bytes)) {
    throw new Error("an IPv4 address is written as such, not inside an IPv6 one");
  }
  return { bytes, bits };
}

/**
 * Parses a block with an optional port: `10.0.0.0/8`, `10.0.0.0/8:5280`, `10.0.0.5:5280`, `fd00::/8`, `[fd00::]/8:80`.
 *
 * @throws Error a sentence for the operator
 */
export function parseAddressRule(text: string): AddressRule {
  const bracketed = /^\[([^\]]*)\](\/\d+)?(?::(.*))?$/.exec(text);
  if (bracketed) {
    const [, address = "", prefix = "", port] = bracketed;
    if (!isIPv6(address)) throw new Error("only an IPv6 address stands in brackets");
    return { ...parseCidr(address + prefix), port: port === undefined ? null : parsePort(port) };
  }
  if (!text.includes(".") && text.includes("/") && text.lastIndexOf(":") > text.lastIndexOf("/")) {
    throw new Error("an IPv6 block with a port is written [fd00::]/8:80");
  }
  // With a dot: `64:ff9b::/96` begins like a number with a port.
  const withPort = /^(\d+\.[\d.]+(?:\/\d+)?):(.*)$/.exec(text);
  if (!withPort) return { ...parseCidr(text), port: null };
  const [, block = "", port = ""] = withPort;
  return { ...parseCidr(block), port: parsePort(port) };
}

/** Checks that two texts are the same address; false if either is not an address. */
export function isSameAddress(one: string, other: string): boolean {
  const bytes = parseAddress(other);
  const wanted = parseAddress(one);
  return !!bytes && !!wanted && contains({ bytes: wanted, bits: wanted.length * 8 }, bytes);
}

/** Returns 4 or 16 bytes, or null. Stricter than `ipaddr.js` alone, which also reads `0x7f.1` and zone ids. */
function parseAddress(text: string): Uint8Array | null {
  if (text.includes("%") || (!isIPv4(text) && !isIPv6(text))) return null;
  return Uint8Array.from(ipaddr.parse(text).toByteArray());
}

function contains({ bytes, bits }: Cidr, address: Uint8Array): boolean {
  return (
    bytes.length === address.length &&
    bytes.every((byte, index) => ((byte ^ (address[index] ?? 0)) & mask(bits, index)) === 0)
  );
}

/** Returns the network mask of byte number `index` for a prefix of `bits`. */
function mask(bits: number, index: number): number {
  return (0xff00 >> Math.min(8, Math.max(0, bits - index * 8))) & 0xff;
}

/** RFC 5214 6.1: the interface id is `0:5efe:` or `200:5efe:` and an IPv4 address, the real destination. */
function isIsatap(bytes: Uint8Array): boolean {
  return (bytes[8] === 0 || bytes[8] === 2) && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe;
}
