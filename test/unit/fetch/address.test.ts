import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { describe, expect, test } from "vitest";
import {
  blockOf,
  createAddressPolicy,
  createBlockCheck,
  createOwnership,
  isPublicAddress,
  isSameAddress,
  nat64TargetOf,
  parseAddressRule,
  parseCidr,
} from "../../../src/fetch/address.ts";
import { isPublicToOthers } from "../../support/second-opinion.ts";

/** Both ends of each block that the registries exclude, and the public addresses next to them. */
const boundaries: [string, string, boolean][] = [
  ["0/8 starts", "0.0.0.0", false],
  ["0/8 ends", "0.255.255.255", false],
  ["just after 0/8", "1.0.0.0", true],
  ["just before 10/8", "9.255.255.255", true],
  ["10/8 starts", "10.0.0.0", false],
  ["10/8 ends", "10.255.255.255", false],
  ["just after 10/8", "11.0.0.0", true],
  ["just before carrier-grade NAT", "100.63.255.255", true],
  ["carrier-grade NAT starts", "100.64.0.0", false],
  ["carrier-grade NAT ends", "100.127.255.255", false],
  ["just after carrier-grade NAT", "100.128.0.0", true],
  ["just before loopback", "126.255.255.255", true],
  ["loopback starts", "127.0.0.0", false],
  ["loopback ends", "127.255.255.255", false],
  ["just after loopback", "128.0.0.0", true],
  ["just before Azure's WireServer", "168.63.129.15", true],
  ["Azure's WireServer", "168.63.129.16", false],
  ["just after Azure's WireServer", "168.63.129.17", true],
  ["just before link-local", "169.253.255.255", true],
  ["link-local starts", "169.254.0.0", false],
  ["cloud metadata", "169.254.169.254", false],
  ["link-local ends", "169.254.255.255", false],
  ["just after link-local", "169.255.0.0", true],
  ["just before 172.16/12", "172.15.255.255", true],
  ["172.16/12 starts", "172.16.0.0", false],
  ["172.16/12 ends", "172.31.255.255", false],
  ["just after 172.16/12", "172.32.0.0", true],
  ["just before protocol assignments", "191.255.255.255", true],
  ["protocol assignments start", "192.0.0.0", false],
  ["protocol assignments end", "192.0.0.255", false],
  ["between the two blocks of 192.0", "192.0.1.0", true],
  ["TEST-NET-1 starts", "192.0.2.0", false],
  ["TEST-NET-1 ends", "192.0.2.255", false],
  ["just after TEST-NET-1", "192.0.3.0", true],
  ["AS112 starts", "192.31.196.0", false],
  ["just after AS112", "192.31.197.0", true],
  ["AMT starts", "192.52.193.0", false],
  ["just after AMT", "192.52.194.0", true],
  ["6to4 relays start", "192.88.99.0", false],
  ["just after 6to4 relays", "192.88.100.0", true],
  ["just before 192.168/16", "192.167.255.255", true],
  ["192.168/16 starts", "192.168.0.0", false],
  ["192.168/16 ends", "192.168.255.255", false],
  ["just after 192.168/16", "192.169.0.0", true],
  ["the other AS112 starts", "192.175.48.0", false],
  ["just after the other AS112", "192.175.49.0", true],
  ["just before benchmarking", "198.17.255.255", true],
  ["benchmarking starts", "198.18.0.0", false],
  ["benchmarking ends", "198.19.255.255", false],
  ["just after benchmarking", "198.20.0.0", true],
  ["TEST-NET-2 starts", "198.51.100.0", false],
  ["just after TEST-NET-2", "198.51.101.0", true],
  ["TEST-NET-3 starts", "203.0.113.0", false],
  ["just after TEST-NET-3", "203.0.114.0", true],
  ["just before multicast", "223.255.255.255", true],
  ["multicast starts", "224.0.0.0", false],
  ["multicast ends", "239.255.255.255", false],
  ["reserved starts", "240.0.0.0", false],
  ["broadcast", "255.255.255.255", false],
  ["v6 unspecified", "::", false],
  ["v6 loopback", "::1", false],
  ["v4-compatible loopback", "::127.0.0.1", false],
  ["v4-compatible public", "::8.8.8.8", false],
  ["v4-mapped loopback", "::ffff:127.0.0.1", false],
  ["v4-mapped public", "::ffff:8.8.8.8", false],
  ["v4-mapped in hex", "::ffff:808:808", false],
  ["v4-translated", "::ffff:0:7f00:1", false],
  ["NAT64 of a public address", "64:ff9b::808:808", false],
  ["NAT64 for local use", "64:ff9b:1::1", false],
  ["discard", "100::1", false],
  ["just before global unicast", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false],
  ["protocol assignments start (Teredo)", "2001::", false],
  ["protocol assignments end", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", false],
  ["just after protocol assignments", "2001:200::", true],
  ["just before documentation", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", true],
  ["documentation starts", "2001:db8::", false],
  ["documentation ends", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", false],
  ["just after documentation", "2001:db9::", true],
  ["just before 6to4", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true],
  ["6to4 starts", "2002::", false],
  ["6to4 ends", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false],
  ["just after 6to4", "2003::", true],
  ["just before AS112 v6", "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", true],
  ["AS112 v6 starts", "2620:4f:8000::", false],
  ["AS112 v6 ends", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", false],
  ["just after AS112 v6", "2620:4f:8001::", true],
  ["just before 6bone", "3ffd:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true],
  ["6bone starts", "3ffe::", false],
  ["6bone ends", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false],
  ["new documentation starts", "3fff::", false],
  ["new documentation ends", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", false],
  ["just after new documentation", "3fff:1000::", true],
  ["global unicast ends", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true],
  ["just after global unicast", "4000::", false],
  ["segment routing", "5f00::1", false],
  ["unique local", "fd00::1", false],
  ["link-local v6", "fe80::1", false],
  ["site-local", "fec0::1", false],
  ["multicast v6", "ff0e::1", false],
  ["ISATAP", "2600:1f18::5efe:7f00:1", false],
  ["ISATAP with the global bit", "2600:1f18::200:5efe:808:808", false],
  ["not quite ISATAP", "2600:1f18::100:5efe:808:808", true],
  ["next to ISATAP in its first byte", "2600:1f18::300:5efe:808:808", true],
  ["next to ISATAP in its second byte", "2600:1f18::1:5efe:808:808", true],
  ["next to ISATAP in its third byte", "2600:1f18::5ffe:808:808", true],
  ["next to ISATAP in its fourth byte", "2600:1f18::5eff:808:808", true],
  ["next to ISATAP in its fourth byte, below", "2600:1f18::5efd:808:808", true],
];

describe("public addresses", () => {
  test.each(boundaries)("%s: %s is public: %s", (_name, address, isPublic) => {
    expect(isPublicAddress(address)).toBe(isPublic);
  });

  test.each([
    "",
    " 8.8.8.8",
    "8.8.8.8 ",
    "8.8.8",
    "8.8.8.8.",
    "08.8.8.8",
    "0x8.8.8.8",
    "134744072",
    "8.8.8.8/32",
    "8.8.8.8:80",
    "[2003::1]",
    "2003::1%eth0",
    "2003::1%25eth0",
    "example.org",
    "８.8.8.8",
  ])("text that is not plainly an address is not a public one: %j", (text) => {
    expect(isPublicAddress(text)).toBe(false);
  });

  test("an address is judged by its bytes, not by its spelling", () => {
    expect(isPublicAddress("2003:0:0:0:0:0:0:1")).toBe(true);
    expect(isPublicAddress("2001:DB8::1")).toBe(false);
    expect(isPublicAddress("0:0:0:0:0:ffff:7f00:1")).toBe(false);
    expect(isPublicAddress("0000:0000:0000:0000:0000:FFFF:127.0.0.1")).toBe(false);
  });
});

test("two spellings of an address are the same address if their bytes are equal", () => {
  expect(isSameAddress("2001:DB8::1", "2001:db8:0:0:0:0:0:1")).toBe(true);
  expect(isSameAddress("127.0.0.1", "127.0.0.1")).toBe(true);
  expect(isSameAddress("127.0.0.1", "127.0.0.2")).toBe(false);
  expect(isSameAddress("127.0.0.1", "::ffff:127.0.0.1")).toBe(false);
  expect(isSameAddress("127.0.0.1", "")).toBe(false);
});

test.each([
  ["64:ff9b::808:808", "8.8.8.8"],
  ["64:FF9B:0:0:0:0:7f00:1", "127.0.0.1"],
  ["64:ff9b:1::808:808", null],
  ["::ffff:8.8.8.8", null],
  ["8.8.8.8", null],
  ["", null],
])("the IPv4 address that %j reaches through NAT64 is %s", (address, target) => {
  expect(nat64TargetOf(address)).toBe(target);
});

test.each([
  ["192.0.2.255", "192.0.2.0/24"],
  ["192.0.3.0", "192.0.3.0/24"],
  ["2001:db8:1:ffff::1", "2001:db8:1::/48"],
  ["2001:db8:2::1", "2001:db8:2::/48"],
  ["64:ff9b::192.0.2.255", "192.0.2.0/24"],
  ["a.example", "a.example"],
])("the network of %s is %s", (address, block) => {
  expect(blockOf(address)).toBe(block);
});

test("an address is in a list of blocks if one contains it, and a text that is no address is in none", () => {
  const isListed = createBlockCheck(["10.0.0.0/8", "fd00::/8"].map(parseCidr));
  const texts = ["10.0.0.1", "fd12::1", "11.0.0.1", "fe00::1", "10.0.0", "a.example", ""];
  expect(texts.map(isListed)).toEqual([true, true, false, false, false, false, false]);
});

test("a host is the operator's own if a rule has its address and its port", () => {
  const allow = ["10.0.0.0/8", "192.168.0.1:5280"].map(parseAddressRule);
  const isOwn = createOwnership({ allow, ports: [{ from: 80, to: 80 }] });
  expect([isOwn("10.0.0.1", 80), isOwn("10.0.0.1", 81), isOwn("11.0.0.1", 80)]).toEqual([true, false, false]);
  expect([isOwn("192.168.0.1", 5280), isOwn("192.168.0.1", 80)]).toEqual([true, false]);
  expect(isOwn("a.example", 80)).toBe(false);
});

describe("compared with ipaddr.js and the registries", () => {
  const v4 = fc.array(fc.oneof(fc.nat(255), fc.constantFrom(0, 10, 100, 127, 169, 172, 192, 198, 203, 254)), {
    minLength: 4,
    maxLength: 4,
  });
  const group = fc.oneof(
    fc.nat(0xffff),
    fc.constantFrom(0, 0xffff, 0x5efe, 0x64, 0xff9b, 0x2001, 0x2002, 0x7f00, 0x200),
  );
  const v6 = fc.tuple(
    fc.oneof(group, fc.integer({ min: 0x2000, max: 0x3fff })),
    fc.array(group, { minLength: 7, maxLength: 7 }),
  );

  test("no IPv4 address is public that ipaddr.js or the registries exclude", () => {
    fc.assert(
      fc.property(v4, (bytes) => {
        const address = bytes.join(".");
        return !isPublicAddress(address) || isPublicToOthers(address);
      }),
      { numRuns: 100_000 },
    );
  });

  test("no IPv6 address is public that ipaddr.js or the registries exclude, in any spelling", () => {
    fc.assert(
      fc.property(v6, fc.boolean(), ([first, rest], shortened) => {
        const groups = [first, ...rest].map((part) => part.toString(16));
        const address = shortened ? ipaddr.parse(groups.join(":")).toString() : groups.join(":");
        return !isPublicAddress(address) || isPublicToOthers(address);
      }),
      { numRuns: 100_000 },
    );
  });
});

describe("the operator's rules", () => {
  const ports = [
    { from: 80, to: 80 },
    { from: 443, to: 443 },
  ];
  const policy = (allow: string[], deny: string[] = []) =>
    createAddressPolicy({ allow: allow.map(parseAddressRule), deny: deny.map(parseCidr), ports });

  test("without rules, public addresses are reached on the allowed ports only", () => {
    expect(policy([])("8.8.8.8", 443)).toBe(true);
    expect(policy([])("8.8.8.8", 8080)).toBe(false);
    expect(policy([])("10.0.0.5", 80)).toBe(false);
    expect(policy([])("2a00:1450::1", 80)).toBe(true);
  });

  test("an allowed block without a port is reached on the allowed ports only", () => {
    expect(policy(["10.0.0.0/8"])("10.1.2.3", 80)).toBe(true);
    expect(policy(["10.0.0.0/8"])("10.1.2.3", 5280)).toBe(false);
    expect(policy(["10.0.0.0/8"])("11.0.0.0", 5280)).toBe(false);
    expect(policy(["10.0.0.0/8"])("192.168.0.1", 80)).toBe(false);
  });

  test("an allowed block with a port is reached on that port only, and no other address is reached on it", () => {
    const allowed = policy(["10.0.0.0/8:5280"]);
    expect(allowed("10.1.2.3", 5280)).toBe(true);
    expect(allowed("10.1.2.3", 80)).toBe(false);
    expect(allowed("8.8.8.8", 5280)).toBe(false);
    expect(allowed("192.168.0.1", 5280)).toBe(false);
  });

  test("a rule for a public address adds its port and takes nothing away", () => {
    const allowed = policy(["8.8.8.8:5280"]);
    expect(allowed("8.8.8.8", 5280)).toBe(true);
    expect(allowed("8.8.8.8", 443)).toBe(true);
    expect(allowed("8.8.4.4", 5280)).toBe(false);
  });

  test("a denied address is refused although it is public, and although it is allowed", () => {
    expect(policy([], ["8.8.8.0/24"])("8.8.8.8", 443)).toBe(false);
    expect(policy([], ["8.8.8.0/24"])("8.8.9.8", 443)).toBe(true);
    expect(policy(["10.0.0.0/8"], ["10.0.0.5/32"])("10.0.0.5", 80)).toBe(false);
    expect(policy(["10.0.0.0/8"], ["10.0.0.5/32"])("10.0.0.6", 80)).toBe(true);
  });

  test("all IPv4-mapped addresses are refused, and no others are taken for them", () => {
    const allowed = policy(["::/0"]);
    for (const address of ["::ffff:0.0.0.0", "::ffff:127.255.255.255", "::ffff:128.0.0.0", "::ffff:255.255.255.255"]) {
      expect(allowed(address, 80)).toBe(false);
    }
    for (const address of ["::fffe:8.8.8.8", "::1:ffff:8.8.8.8", "1::ffff:8.8.8.8"]) {
      expect(allowed(address, 80)).toBe(true);
    }
  });

  test("an IPv4 rule does not apply to the same address embedded in an IPv6 address", () => {
    expect(policy(["127.0.0.0/8", "0.0.0.0/0"])("::ffff:127.0.0.1", 80)).toBe(false);
    expect(policy(["127.0.0.0/8"])("64:ff9b::7f00:1", 80)).toBe(false);
  });

  test.each([
    ["a public address", "64:ff9b::8.8.8.8", true],
    ["a public address in hex", "64:ff9b::808:808", true],
    ["a public address in the upper half", "64:ff9b::203.0.114.9", true],
    ["a private address in the upper half", "64:ff9b::192.168.0.1", false],
    ["just before 10/8", "64:ff9b::9.255.255.255", true],
    ["10/8", "64:ff9b::10.0.0.0", false],
    ["loopback", "64:ff9b::7f00:1", false],
    ["cloud metadata", "64:ff9b::169.254.169.254", false],
    ["Azure's WireServer", "64:ff9b::168.63.129.16", false],
    ["carrier-grade NAT", "64:ff9b::100.64.0.1", false],
    ["this network", "64:ff9b::", false],
    ["broadcast", "64:ff9b::255.255.255.255", false],
    ["a public address behind bits that must be zero", "64:ff9b::1:808:808", false],
    ["just after the prefix", "64:ff9b:0:0:0:1:808:808", false],
    ["the local-use prefix, whose layout is not known", "64:ff9b:1::808:808", false],
    ["the local-use prefix in its /48 layout", "64:ff9b:1:808:8:800::", false],
    ["an IPv4-mapped address", "::ffff:8.8.8.8", false],
    ["a 6to4 address", "2002:808:808::1", false],
  ])("a DNS answer with NAT64 of %s (%s) is accepted: %s", (_name, address, isAccepted) => {
    expect(policy([])(address, 80, true)).toBe(isAccepted);
    expect(policy([])(address, 80)).toBe(false); // in a URL
  });

  test("NAT64 opens no other port, and no private address that a rule for IPv4 allows", () => {
    expect(policy([])("64:ff9b::808:808", 8080, true)).toBe(false);
    expect(policy(["8.8.8.8:8080"])("64:ff9b::808:808", 8080, true)).toBe(false);
    // Behind the gateway, 10.0.0.5 may be another machine than the operator's.
    expect(policy(["10.0.0.5"])("64:ff9b::10.0.0.5", 80, true)).toBe(false);
  });

  test("a denied IPv4 address is refused behind NAT64 too, and so is the denied prefix", () => {
    expect(policy([], ["8.8.8.0/24"])("64:ff9b::808:808", 80, true)).toBe(false);
    expect(policy(["64:ff9b::/96"], ["8.8.8.0/24"])("64:ff9b::808:808", 80)).toBe(false);
    expect(policy([], ["64:ff9b::/96"])("64:ff9b::808:808", 80, true)).toBe(false);
  });

  test("IPv4-mapped addresses and zone ids are refused even if every address is allowed", () => {
    expect(policy(["::/0"])("fd00::1", 80)).toBe(true);
    expect(policy(["::/0"])("::ffff:8.8.8.8", 80)).toBe(false);
    expect(policy(["::/0"])("fe80::1%eth0", 80)).toBe(false);
  });

  test.each([
    ["10.0.0.0/8", "10.255.0.1", "192.168.0.1"],
    ["10.0.0.5", "10.0.0.5", "10.0.0.6"],
    ["10.128.0.0/9", "10.128.0.0", "10.127.255.255"],
    ["fd00::/8", "fdff::1", "fe00::1"],
    ["[fd00::1]:80", "fd00::1", "fd00::2"],
    ["[fd00::]/8:80", "fd12::1", "fc00::1"],
    ["[fd00::]/8", "fd12::1", "fc00::1"],
    ["64:ff9b::/96", "64:ff9b::10.0.0.1", "64:ff9b:1::1"],
    ["2001:db8::/32", "2001:db8::1", "fd00::1"],
    ["2001:db8::1", "2001:db8::1", "2001:db8::2"],
    ["10.0.0.2/31", "10.0.0.3", "10.0.0.4"],
    ["10.0.0.2/32", "10.0.0.2", "10.0.0.3"],
    ["2001:db8::2/127", "2001:db8::3", "2001:db8::4"],
    ["2001:db8::2/128", "2001:db8::2", "2001:db8::3"],
    ["0.0.0.0/0", "10.0.0.1", "fd00::1"],
    ["::fffe:0:0/95", "::fffe:10.0.0.1", "::ffff:10.0.0.1"],
    ["10.0.0.0/8:80", "10.1.2.3", "192.168.0.1"],
    ["10.0.0.5:80", "10.0.0.5", "10.0.0.6"],
  ])("the rule %s allows %s and not %s", (rule, inside, outside) => {
    expect(policy([rule])(inside, 80)).toBe(true);
    expect(policy([rule])(outside, 80)).toBe(false);
  });

  test.each([
    ["", "written"],
    ["10.0.0.0/33", "32 bits"],
    ["fd00::/129", "128 bits"],
    ["10.1.2.3/8", "bits after the first 8"],
    ["fd00::1/8", "bits after the first 8"],
    ["10.0.0.0/8/8", "written"],
    ["10.0.0.0/08", "count of bits"],
    ["10.0.0.0/", "count of bits"],
    ["10.0.0/8", "written"],
    ["010.0.0.0/8", "written"],
    ["10.0.0.0/8:0", "between 1 and 65535"],
    ["10.0.0.0/8:65536", "between 1 and 65535"],
    ["10.0.0.0/8:80-90", "between 1 and 65535"],
    ["10.0.0.0/8:", "between 1 and 65535"],
    ["fd00::/8:80", "written [fd00::]/8:80"],
    ["[10.0.0.0]/8:80", "only an IPv6 address"],
    ["::ffff:10.0.0.0/104", "not inside an IPv6 one"],
    ["[::ffff:10.0.0.1]:80", "not inside an IPv6 one"],
    ["::ffff:0:0/96", "not inside an IPv6 one"],
    ["10.0.0.0/7/", "written"],
    ["10.0.0.1/31", "bits after the first 31"],
    ["fd00::1/127", "bits after the first 127"],
    ["1.0.0.0/0", "bits after the first 0"],
    ["fe80::1%eth0", "written"],
    ["example.org", "written"],
  ])("the rule %j is refused with a helpful message", (rule, words) => {
    expect(() => parseAddressRule(rule)).toThrow(words);
  });
});
