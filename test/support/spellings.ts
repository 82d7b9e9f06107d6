import { isIP, isIPv6 } from "node:net";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { OracleError } from "../../src/domain/errors.ts";
import { createAddressPolicy } from "../../src/fetch/address.ts";
import { createTargetParser, isAddressHost, parsePortRange, portOf } from "../../src/fetch/target.ts";
import { isPublicToOthers } from "./second-opinion.ts";

/** A URL with an IP address as its host, in one of its notations. */
export interface Spelling {
  /** The address in its usual notation; for an embedded IPv4 address, that address. */
  readonly address: string;
  readonly url: string;
}

const ports = [parsePortRange("80"), parsePortRange("443")];
const parseTarget = createTargetParser({
  allowPorts: ports,
  extraPorts: [],
  allowHosts: [],
  denyHosts: [],
  rewrites: [],
});
const addressPolicy = createAddressPolicy({ allow: [], deny: [], ports });

/** Applies the SSRF guard to a URL: returns the address to connect to, the name to resolve, or null if the URL is refused. */
export function passes(text: string): string | null {
  try {
    const { url } = parseTarget(text);
    const host = bare(url.hostname);
    return isAddressHost(url.hostname) && !addressPolicy(host, portOf(url)) ? null : host;
  } catch (error) {
    if (error instanceof OracleError) return null;
    throw error;
  }
}

/** Whether an address that the SSRF guard allows is public for other libraries too, with every parser of the URL. */
export function isNeverWeaker({ address, url }: Spelling): boolean {
  const passed = passes(url);
  if (passed === null) return true;
  const readings = readingsOf(url);
  // A name goes to the resolver, and its addresses to the address policy. But no other parser may find an address in it.
  if (isIP(passed) === 0) return readings.length === 0;
  return [address, passed, ...readings].every(isPublicToOthers);
}

/** Returns the addresses that other parsers find: the WHATWG URL parser, and two that parse the host's text. */
function readingsOf(text: string): string[] {
  const raw = /^[^:]*:\/*(?:[^/?#]*@)?(\[[^\]]*\]|[^/?#:]*)/.exec(text)?.[1] ?? "";
  const hosts = [
    raw,
    decoded(raw)
      .normalize("NFKC")
      .replace(/[\u00ad\u200b]/g, ""),
  ];
  if (URL.canParse(text)) hosts.push(new URL(text).hostname);
  return hosts
    .map((host) => bare(host).replace(/\.$/, ""))
    .filter((host) => ipaddr.isValid(host))
    .map((host) => ipaddr.parse(host).toString().replace(/%.*$/, ""));
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 8, 10, 100, 127, 168, 169, 172, 192, 198, 203, 224, 254, 255));
const v4Bytes = fc.tuple(byte, byte, byte, byte);

/** Decimal, octal or hexadecimal, with or without leading zeros. */
const radix = fc.tuple(fc.constantFrom(10, 10, 8, 16, -16), fc.constantFrom("", "", "", "0", "000"));
function digits(value: number, [base, zeros]: readonly [number, string]): string {
  if (base === 10) return zeros === "" ? String(value) : `${zeros}${value}`;
  if (base === 8) return `0${zeros}${value.toString(8)}`;
  return base === 16 ? `0x${zeros}${value.toString(16)}` : `0X${zeros}${value.toString(16).toUpperCase()}`;
}

/** Converts to the notation of inet_aton(3): one to four numbers, the last of which holds all remaining bytes. */
function numbersOf([a, b, c, d]: readonly number[], count: number): number[] {
  const bytes = [a!, b!, c!, d!];
  const last = bytes.slice(count - 1).reduce((sum, each) => sum * 256 + each, 0);
  return [...bytes.slice(0, count - 1), last];
}

// Some parser maps each of these to the original character: full width, circled, percent-encoded, other dots.
const disguises: readonly ((letter: string) => string)[] = [
  (letter) => (/[0-9a-z]/i.test(letter) ? String.fromCodePoint(letter.codePointAt(0)! + 0xfee0) : letter),
  (letter) => (/[1-9]/.test(letter) ? String.fromCodePoint(0x245f + Number(letter)) : letter),
  (letter) => `%${letter.charCodeAt(0).toString(16)}`,
  (letter) => `%25${letter.charCodeAt(0).toString(16)}`,
  (letter) => (letter === "." ? "。" : letter),
  (letter) => (letter === "." ? "．" : letter),
  (letter) => (letter === "." ? "｡" : letter),
  (letter) => `${letter}\u00ad`,
  (letter) => `\u200b${letter}`,
  (letter) => letter.toUpperCase(),
];

/** Replaces a few characters of the text by equivalents, or none. */
function disguised(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const places = fc.array(fc.tuple(fc.nat(40), fc.constantFrom(...disguises)), { maxLength: 3 });
  return fc.tuple(text, fc.oneof(fc.constant([]), places)).map(([plain, chosen]) => {
    const letters = Array.from(plain);
    for (const [place, disguise] of chosen) {
      const at = place % letters.length;
      if (letters[at]!.length === 1) letters[at] = disguise(letters[at]!);
    }
    return letters.join("");
  });
}

const hex = (high: number, low: number) => ((high << 8) | low).toString(16);

/** Notations that embed an IPv4 address in an IPv6 address. */
const embeddings: readonly ((bytes: readonly [number, number, number, number]) => string)[] = [
  (bytes) => `::${bytes.join(".")}`, // IPv4-compatible, RFC 4291 2.5.5.1
  (bytes) => `::ffff:${bytes.join(".")}`, // IPv4-mapped, RFC 4291 2.5.5.2
  ([a, b, c, d]) => `::ffff:${hex(a, b)}:${hex(c, d)}`,
  ([a, b, c, d]) => `0:0:0:0:0:FFFF:${hex(a, b)}:${hex(c, d)}`,
  ([a, b, c, d]) => `::ffff:0:${hex(a, b)}:${hex(c, d)}`, // IPv4-translated, RFC 7915
  (bytes) => `64:ff9b::${bytes.join(".")}`, // NAT64, RFC 6052
  ([a, b, c, d]) => `64:ff9b:1::${hex(a, b)}:${hex(c, d)}`, // NAT64 for local use, RFC 8215
  ([a, b, c, d]) => `2002:${hex(a, b)}:${hex(c, d)}::1`, // 6to4, RFC 3056
  ([a, b, c, d]) => `2001:0:${hex(a, b)}:${hex(c, d)}::`, // Teredo's server, RFC 4380
  ([a, b, c, d]) => `2001::${hex(255 - a, 255 - b)}:${hex(255 - c, 255 - d)}`, // Teredo's client
  ([a, b, c, d]) => `2600:1f18::5efe:${hex(a, b)}:${hex(c, d)}`, // ISATAP, RFC 5214
  ([a, b, c, d]) => `2600:1f18::200:5efe:${hex(a, b)}:${hex(c, d)}`,
];

const v4Spelled = fc
  .tuple(v4Bytes, fc.constantFrom(1, 2, 3, 4, 4, 4), fc.array(radix, { minLength: 4, maxLength: 4 }), fc.boolean())
  .chain(([bytes, count, bases, isPlain]) => {
    const text = isPlain
      ? bytes.join(".")
      : numbersOf(bytes, count)
          .map((value, index) => digits(value, bases[index]!))
          .join(".");
    return fc.record({ address: fc.constant(bytes.join(".")), host: disguised(fc.constant(text)) });
  });

const v4Embedded = fc.tuple(v4Bytes, fc.constantFrom(...embeddings)).chain(([bytes, embed]) =>
  fc.record({
    address: fc.constant(bytes.join(".")),
    host: disguised(fc.constant(embed(bytes))).map((text) => `[${text}]`),
  }),
);

const group = fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 0, 0, 0xffff, 0x5efe, 0x64, 0xff9b, 0x2001, 0x2002, 0x7f00));
const v6Spelled = fc
  .tuple(
    fc.oneof(group, fc.integer({ min: 0x2000, max: 0x3fff })),
    fc.array(group, { minLength: 7, maxLength: 7 }),
    fc.nat(3),
    fc.constantFrom("", "", "", "%25eth0", "%eth0"),
  )
  .map(([first, rest, way, zone]) => {
    const groups = [first, ...rest].map((part) => part.toString(16));
    const plain = ipaddr.parse(groups.join(":")).toString();
    const compressed = new URL(`http://[${plain}]/`).hostname.slice(1, -1);
    const text = [
      compressed,
      groups.join(":"),
      groups.map((part) => part.padStart(4, "0")).join(":"),
      plain.toUpperCase(),
    ];
    return { address: plain, host: `[${text[way]!}${zone}]` };
  });

/** Generates URLs with IP addresses in all notations that some parser accepts. */
export const spellings: fc.Arbitrary<Spelling> = fc
  .tuple(
    fc.oneof({ arbitrary: v4Spelled, weight: 3 }, v4Embedded, v6Spelled),
    fc.constantFrom("http://", "http://", "http://", "https://", "HTTP://", "http:", "http:/", "http:\\\\"),
    fc.constantFrom("", "", "", "", "user@", "8.8.8.8@", "8.8.8.8%40"),
    fc.constantFrom("", "", "", ".", ":80", ":443", ":080", ":22", "\t", "..", "%00"),
    fc.constantFrom("/", "/a.png", "", "?a", "#a", "/@8.8.8.8/", "\\@8.8.8.8/"),
  )
  .map(([{ address, host }, scheme, credentials, port, path]) => ({
    address,
    url: scheme + credentials + host + port + path,
  }));

/** Generates addresses of both families, with a bias to special ranges. */
export const addresses: fc.Arbitrary<string> = fc.oneof(
  v4Bytes.map((bytes) => bytes.join(".")),
  fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => groups.map((part) => part.toString(16)).join(":")),
  fc
    .tuple(fc.integer({ min: 0x2000, max: 0x3fff }), fc.array(group, { minLength: 7, maxLength: 7 }))
    .map(([first, rest]) => [first, ...rest].map((part) => part.toString(16)).join(":")),
);

/** Returns the URL of an address in its usual notation. */
export const urlOf = (address: string) => new URL(`http://${isIPv6(address) ? `[${address}]` : address}/`).href;
