import { describe, expect, test } from "vitest";
import { blockOf, createOwnership, parseAddressRule } from "../../../src/fetch/address.ts";
import { createShares, shareLimitsOf, siteOf } from "../../../src/fetch/shares.ts";
import { createTargetParser, parseRewrite } from "../../../src/fetch/target.ts";

const ports = [{ from: 1, to: 65_535 }];
const parse = createTargetParser({
  allowPorts: ports,
  extraPorts: [],
  allowHosts: [],
  denyHosts: [],
  rewrites: [parseRewrite("https://upload.example.org/=>http://prosody:5280/")],
});
const shares = createShares({
  maxPerHost: 16,
  maxPerSite: 32,
  maxPerBlock: 24,
  isOwn: createOwnership({ allow: [parseAddressRule("10.0.0.5:5280"), parseAddressRule("203.0.113.7")], ports }),
});

test.each([
  ["example.org", "example.org"],
  ["a.b.example.org", "example.org"],
  ["a.example.co.uk", "example.co.uk"],
  ["mine.github.io", "mine.github.io"],
  ["github.io", "github.io"],
  ["a.b.unknown-suffix", "b.unknown-suffix"],
  ["xn--mnchen-3ya.de", "xn--mnchen-3ya.de"],
  ["198.51.100.7", "198.51.100.0/24"],
  ["[2001:db8:1:2::3]", "2001:db8:1::/48"],
])("the site of %s is %s", (hostname, site) => {
  expect(siteOf(hostname)).toBe(site);
});

test.each([
  ["192.0.2.255", "192.0.2.0/24"],
  ["192.0.3.0", "192.0.3.0/24"],
  ["2001:db8:1:ffff::1", "2001:db8:1::/48"],
  ["2001:db8:2::1", "2001:db8:2::/48"],
  ["64:ff9b::192.0.2.255", "192.0.2.0/24"], // NAT64: else all IPv4-only hosts were one block
])("the block of %s is %s", (address, block) => {
  expect(blockOf(address)).toBe(block);
});

test.each([
  [100, 10, 50],
  [101, 10, 51],
  [1, 1, 1],
  [100, 50, 50],
  [100, 51, 51],
  [4, 9, 9],
])(
  "of %i fetches at once a host has %i, and a site or a block half, or as many as a host: %i",
  (maxFetches, maxPerHost, maxPerShare) => {
    expect(shareLimitsOf(maxFetches, maxPerHost)).toEqual({
      maxPerHost,
      maxPerSite: maxPerShare,
      maxPerBlock: maxPerShare,
    });
  },
);

describe("limits", () => {
  test("a lookup counts against its origin and its site", () => {
    expect(shares.ofLookup(parse("https://a.example.net/x"))).toEqual([
      { key: "host https://a.example.net", maxActive: 16 },
      { key: "site example.net", maxActive: 32 },
    ]);
    expect(shares.ofLookup(parse("http://a.example.net:81/x"))[0].key).toBe("host http://a.example.net:81");
  });

  test("a connection counts against its address and port, and its block", () => {
    expect(shares.ofConnection(parse("https://a.example.net/"), "192.0.2.9", 443)).toEqual([
      { key: "address 192.0.2.9 443", maxActive: 16 },
      { key: "block 192.0.2.0/24", maxActive: 24 },
    ]);
  });

  test("a connection through NAT64 counts against the IPv4 address", () => {
    expect(shares.ofConnection(parse("https://a.example.net/"), "64:ff9b::192.0.2.9", 443)).toEqual([
      { key: "address 192.0.2.9 443", maxActive: 16 },
      { key: "block 192.0.2.0/24", maxActive: 24 },
    ]);
  });

  test("an IPv6 address in ALLOW_ADDRESSES has the host limit only, in a URL too", () => {
    const own = createShares({
      maxPerHost: 16,
      maxPerSite: 32,
      maxPerBlock: 24,
      isOwn: createOwnership({ allow: [parseAddressRule("[fd00::1]:5280")], ports }),
    });
    expect(own.ofLookup(parse("http://[fd00::1]:5280/"))).toHaveLength(1);
    expect(own.ofLookup(parse("http://[fd00::2]:5280/"))[1]).toEqual({ key: "site fd00::/48", maxActive: 32 });
  });

  test("an address and port in ALLOW_ADDRESSES have the host limit only", () => {
    expect(shares.ofLookup(parse("http://10.0.0.5:5280/"))).toHaveLength(1);
    expect(shares.ofLookup(parse("http://10.0.0.5:5281/"))).toHaveLength(2);
    const byName = parse("http://upload.example.net:5280/");
    expect(shares.ofConnection(byName, "10.0.0.5", 5280)).toHaveLength(1);
    expect(shares.ofConnection(byName, "10.0.0.6", 5280)).toHaveLength(2);
    expect(shares.ofConnection(byName, "203.0.113.7", 443)).toHaveLength(1); // a public address may be named too
    expect([shares.siteOfBody(byName, "10.0.0.5"), shares.siteOfBody(byName, "10.0.0.6")]).toEqual([
      null,
      "example.net",
    ]);
  });

  test("a rewritten URL has the host limit only", () => {
    const rewritten = parse("https://upload.example.org/a.png");
    expect(shares.ofLookup(rewritten)).toEqual([{ key: "host https://upload.example.org", maxActive: 16 }]);
    expect(shares.ofConnection(rewritten, "172.18.0.2", 5280)).toHaveLength(1);
    expect(shares.siteOfBody(rewritten, "172.18.0.2")).toBeNull();
  });
});
