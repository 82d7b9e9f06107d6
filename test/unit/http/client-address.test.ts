import fc from "fast-check";
import { expect, test } from "vitest";
import { createBlockCheck, parseCidr } from "../../../src/fetch/address.ts";
import { type AddressOf, createAddressOf } from "../../../src/http/client-address.ts";

const proxies = ["192.0.2.0/24", "2001:db8:1::/48"].map(parseCidr);
const addressOf = createAddressOf(createBlockCheck(proxies));

function from(remoteAddress: string | undefined, forwarded?: string): Parameters<AddressOf>[0] {
  const request: unknown = { socket: { remoteAddress }, headers: { "x-forwarded-for": forwarded } };
  return request as Parameters<AddressOf>[0];
}

test.for<[name: string, peer: string, forwarded: string | undefined, client: string]>([
  ["an untrusted peer, whose header is ignored", "198.51.100.1", "203.0.113.9", "198.51.100.1"],
  ["a trusted peer without the header", "192.0.2.1", undefined, "192.0.2.1"],
  ["a trusted peer with an empty header", "192.0.2.1", "", "192.0.2.1"],
  ["one proxy", "192.0.2.1", "203.0.113.9", "203.0.113.9"],
  ["a proxy over an IPv4-mapped connection", "::ffff:192.0.2.1", "203.0.113.9", "203.0.113.9"],
  ["two proxies", "192.0.2.1", "203.0.113.9, 192.0.2.7", "203.0.113.9"],
  ["two proxies of both families", "2001:db8:1::1", "203.0.113.9,192.0.2.7", "203.0.113.9"],
  ["entries that the client wrote", "192.0.2.1", "10.0.0.1, 127.0.0.1, 203.0.113.9", "203.0.113.9"],
  ["a client that names a trusted proxy", "192.0.2.1", "198.51.100.5, 192.0.2.7, 203.0.113.9", "203.0.113.9"],
  ["a chain of trusted proxies only", "192.0.2.1", "192.0.2.3, 192.0.2.2", "192.0.2.3"],
  ["an IPv4 address with a port", "192.0.2.1", "203.0.113.9:4711", "203.0.113.9"],
  ["an IPv6 address", "192.0.2.1", "2001:DB8:0:0::9", "2001:db8::9"],
  ["an IPv6 address in brackets", "192.0.2.1", "[2001:db8::9]", "2001:db8::9"],
  ["an IPv6 address with a port", "192.0.2.1", "[2001:db8::9]:4711", "2001:db8::9"],
  ["an IPv4-mapped address", "192.0.2.1", "::ffff:203.0.113.9", "203.0.113.9"],
  ["a trusted proxy in the IPv4-mapped spelling", "192.0.2.1", "203.0.113.9, ::ffff:c000:207", "203.0.113.9"],
  ["unknown", "192.0.2.1", "unknown", "192.0.2.1"],
  ["unknown after a trusted proxy", "192.0.2.1", "203.0.113.9, unknown, 192.0.2.7", "192.0.2.7"],
  ["an obfuscated name (RFC 7239 6.3)", "192.0.2.1", "_hidden", "192.0.2.1"],
  ["an address in quotes", "192.0.2.1", '"203.0.113.9"', "192.0.2.1"],
  ["an octal address", "192.0.2.1", "0313.0.113.9", "192.0.2.1"],
  ["a shortened address", "192.0.2.1", "127.1", "192.0.2.1"],
  ["an address with a zone", "192.0.2.1", "fe80::1%eth0", "192.0.2.1"],
  ["brackets around an IPv4 address", "192.0.2.1", "[203.0.113.9]", "192.0.2.1"],
  ["an empty entry", "192.0.2.1", "203.0.113.9,", "192.0.2.1"],
  ["only commas", "192.0.2.1", ",,,", "192.0.2.1"],
])("the address of a client behind %s", ([, peer, forwarded, client]) => {
  expect(addressOf(from(peer, forwarded))).toBe(client);
});

test("without trusted proxies the header is never read, and the address is that of the connection", () => {
  const withoutProxies = createAddressOf(null);
  expect(withoutProxies(from("::ffff:192.0.2.1", "203.0.113.9"))).toBe("::ffff:192.0.2.1");
  expect(withoutProxies(from(undefined, "203.0.113.9"))).toBe("");
  expect(addressOf(from(undefined, "203.0.113.9"))).toBe("");
});

test("a thousand spoofed entries are not read if the entry of the proxy is an untrusted address", () => {
  const asked: string[] = [];
  const counted = createAddressOf((address) => asked.push(address) < 2);
  const spoofed = Array.from({ length: 1000 }, () => "192.0.2.7").join(", ");
  expect(counted(from("192.0.2.1", `${spoofed}, 203.0.113.9`))).toBe("203.0.113.9");
  expect(asked).toEqual(["192.0.2.1", "203.0.113.9"]);
});

test("no header of a trusted proxy makes the search fail, or leads left of an untrusted address", () => {
  const piece = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.constantFrom("unknown", "", "192.0.2.7", "[", "]", ":", "::", "%", "[::]:1"),
    fc.string({ maxLength: 50 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      expect(typeof addressOf(from("192.0.2.1", pieces.join(",")))).toBe("string");
      expect(addressOf(from("192.0.2.1", [...pieces, "203.0.113.9"].join(", ")))).toBe("203.0.113.9");
    }),
  );
});
