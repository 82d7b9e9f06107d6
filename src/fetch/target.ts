import { domainToUnicode } from "node:url";
import { OracleError } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";
import { isPortIn, type PortRange } from "./ports.ts";

export { parsePortRange, type PortRange } from "./ports.ts";

// What an upload host makes is some 200 long; past this nobody means a picture.
const maxUrlCharacters = 2048;

// RFC 6761, RFC 7686, ICANN's .internal, and what home routers and company networks make up.
const privateSuffixes = new Set("localhost local internal lan home corp onion arpa test invalid example".split(" "));

const defaultPorts = { "http:": 80, "https:": 443 } as const;

/** URLs under `left` are fetched from `right`. Both end in a slash and have neither query nor credentials. */
export interface Rewrite {
  readonly left: URL;
  readonly right: URL;
}

export interface TargetOptions {
  readonly allowPorts: readonly PortRange[];
  /** Ports that rules for addresses name: the text may have them, the address policy then says for which addresses. */
  readonly extraPorts: readonly number[];
  /** Patterns as {@link parseHostPattern} gives them. None means all. */
  readonly allowHosts: readonly string[];
  /** Wins over the former. */
  readonly denyHosts: readonly string[];
  /** Of several that match, the one with the longest left is taken. */
  readonly rewrites: readonly Rewrite[];
}

/**
 * Binds the rules for the text of a URL. What a name resolves to is for the address policy to judge, later.
 *
 * The parser throws OracleError `url_invalid` or `url_unsupported`; the messages hold nothing of the text, which is a
 * secret (XEP-0363: who has the URL has the file).
 */
export function createTargetParser(options: TargetOptions): (text: string) => Target {
  const allowHosts = options.allowHosts.map(parseHostPattern);
  const denyHosts = options.denyHosts.map(parseHostPattern);
  const rewrites = [...options.rewrites].sort((one, other) => other.left.href.length - one.left.href.length);

  function checkRules(url: URL): void {
    const port = portOf(url);
    // No origin serves media so, and such a request would only cost its host a failed handshake. A rewrite is exempt on both
    // sides: the operator wrote it. A port that ALLOW_ADDRESSES names is not: the text of a name does not say its address.
    if (port === otherSchemePort(url)) throw unsupported("the port of the other scheme");
    if (!isPortIn(options.allowPorts, port) && !options.extraPorts.includes(port)) throw unsupported("the port");
    const host = url.hostname;
    if (denyHosts.some((pattern) => matchesHost(pattern, host))) throw unsupported("a denied host");
    if (allowHosts.length > 0 && !allowHosts.some((pattern) => matchesHost(pattern, host))) {
      throw unsupported("a host that is not allowed");
    }
    if (isAddressHost(host)) return;
    const labels = host.split(".");
    if (labels.length < 2 || privateSuffixes.has(labels.at(-1) ?? ""))
      throw unsupported("a name that cannot be public");
  }

  return (text) => {
    const url = parseUrl(text);
    const rewrite = rewrites.find(({ left }) => url.origin === left.origin && url.pathname.startsWith(left.pathname));
    if (!rewrite) checkRules(url);
    return { href: url.href, url, via: rewrite ? rewritten(url, rewrite) : null };
  };
}

/**
 * `https://left/=>http://right/`. Either side may be a name that could not be public.
 *
 * @throws Error a sentence for the operator
 */
export function parseRewrite(text: string): Rewrite {
  const sides = text.split("=>");
  if (sides.length !== 2) throw new Error("a rewrite is written https://left/=>http://right/");
  const [left, right] = sides.map((side) => {
    // Without the slash, https://host/a would also be the prefix of https://host/ab.
    if (!side.endsWith("/")) throw new Error("both sides of a rewrite end in a slash");
    if (/[?#]/.test(side)) throw new Error("neither side of a rewrite has a query or a fragment");
    try {
      return parseUrl(side);
    } catch {
      throw new Error("both sides of a rewrite are plain http(s) URLs, without credentials");
    }
  });
  if (!left || !right) throw new Error("a rewrite has two sides");
  return { left, right };
}

/**
 * A host as URLs spell it (lower case, punycode), or `*.` and one, which stands for everything below it but not for itself.
 *
 * @throws Error a sentence for the operator
 */
export function parseHostPattern(text: string): string {
  const [, wildcard = "", host = ""] = /^(\*\.)?(.*)$/s.exec(text) ?? [];
  try {
    const { hostname, port } = parseUrl(`http://${host}/`);
    if (port === "" && !/[:/?#]/.test(host.replace(/^\[.*\]$/, "")) && !(wildcard && isAddressHost(hostname))) {
      return wildcard + hostname;
    }
  } catch {
    // Said below.
  }
  throw new Error("a host is a name (example.org), everything below one (*.example.org), or an address");
}

/** The port that is connected to, also where the URL leaves it out. */
export function portOf(url: URL): number {
  return url.port === "" ? defaultPorts[url.protocol === "https:" ? "https:" : "http:"] : Number(url.port);
}

/** The default port of https for http, and the reverse (RFC 9110 4.2.1, 4.2.2). */
function otherSchemePort({ protocol }: URL): number {
  return protocol === "https:" ? defaultPorts["http:"] : defaultPorts["https:"];
}

/** Whether the host of a URL is an address: the WHATWG parser writes every spelling of one as either of these. */
export function isAddressHost(hostname: string): boolean {
  return hostname.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(hostname);
}

function matchesHost(pattern: string, hostname: string): boolean {
  return pattern.startsWith("*.") ? hostname.endsWith(pattern.slice(1)) : hostname === pattern;
}

/**
 * Parses an absolute http(s) URL, but none of those that the WHATWG parser repairs: two programs may read them in two
 * ways, and the one who checks must not be another than the one who connects.
 *
 * @returns without fragment, and without the dot that may end a name
 */
function parseUrl(text: string): URL {
  // Cut before anything else: the fragment of an aesgcm link is its key. It is never sent anyway.
  const cut = text.split("#", 1)[0] ?? "";
  if (cut.length > maxUrlCharacters) throw invalid("too long");
  // Tabs and line ends would be removed, backslashes made slashes, and lone surrogates replaced.
  if (/[\s\\\p{Cc}\p{Z}\p{Cs}]/u.test(cut)) throw invalid("a character that URLs cannot have");
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(cut) ?? [];
  if (scheme === "") throw invalid("no scheme");
  if (!/^https?$/i.test(scheme)) throw unsupported("the scheme");
  const [, authority = ""] = /^\/\/([^/?]+)/.exec(rest) ?? [];
  if (authority === "") throw invalid("no host");
  // Empty ones too: http://@host is nothing but an attempt to mislead.
  if (authority.includes("@")) throw unsupported("credentials");
  const url = parseWhatwg(cut);
  checkAuthority(authority, url);
  if (url.hostname.endsWith(".")) {
    url.hostname = url.hostname.slice(0, -1);
    // Without its dot it must still be a name, or `1.2.3.4..` would become an address after the checks.
    if (isAddressHost(url.hostname) || url.hostname.endsWith(".")) throw invalid("a host with dots at its end");
  }
  return url;
}

/** Not by `URL.canParse`: in Node 20 that one starts to refuse `ü` and its like once it has been called often enough. */
function parseWhatwg(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw invalid("not a URL");
  }
}

/** Holds the authority as it was written against what the WHATWG parser made of it. */
function checkAuthority(authority: string, { hostname, port }: URL): void {
  const [, host = "", writtenPort] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(authority) ?? [];
  // The scheme's own port is left out by the parser; an empty one (`host:`) is, too.
  const isPortPlain = writtenPort === undefined || /^(0|[1-9]\d*)$/.test(writtenPort);
  if (!isPortPlain || (port !== "" && writtenPort !== port)) throw invalid("a port in another spelling");
  if (host.toLowerCase() === hostname && isAddressHost(hostname)) return;
  const written = host.split(".");
  const parsed = hostname.split(".");
  if (written.length !== parsed.length) throw invalid("a host in another spelling");
  if (parsed.at(-1) === "" && parsed.length > 1) {
    parsed.pop();
    written.pop();
  }
  // RFC 1035 2.3.4. What is longer has no address.
  if (parsed.join(".").length > 253) throw invalid("a name that is too long");
  for (const [index, label] of parsed.entries()) {
    if (!/^[a-z0-9_-]{1,63}$/.test(label)) throw invalid("a label that names cannot have");
    if (lowerCase(written[index] ?? "") !== label && !isUnicodeOf(label, written[index] ?? "")) {
      throw invalid("a host in another spelling");
    }
  }
}

/** Whether this is the plain spelling of a punycode label: zero-width characters, soft hyphens and look-alikes are not. */
function isUnicodeOf(label: string, written: string): boolean {
  return label.startsWith("xn--") && domainToUnicode(label) === lowerCase(written).normalize("NFC");
}

/** Letter by letter, as IDNA maps them: JavaScript's own would make a final sigma of the last one. */
function lowerCase(text: string): string {
  return Array.from(text, (character) => character.toLowerCase()).join("");
}

/** The address on the right of what lies under the left. */
function rewritten(url: URL, { left, right }: Rewrite): URL {
  const remainder = url.pathname.slice(left.pathname.length);
  if (climbs(remainder)) throw unsupported("a path that could leave the rewritten folder");
  const via = new URL(right);
  via.pathname = right.pathname + remainder;
  via.search = url.search;
  if (via.origin !== right.origin || !via.pathname.startsWith(right.pathname)) {
    throw unsupported("a path that leaves the rewritten folder");
  }
  return via;
}

/**
 * Whether a path might lead out of its folder with a server that decodes it once more, or twice: `..%2f`, `%252e%252e/`,
 * `..%5c`, `..;/`. The parser has already taken out plain dots; the operator's own network is behind this one.
 */
function climbs(path: string): boolean {
  // What is no encoding at all (%u002e) is a dot to some servers.
  if (/%(?![0-9a-f]{2})/i.test(path)) return true;
  let decoded = path;
  for (let round = 0; round < 4; round += 1) {
    // Overlong UTF-8, %c0%ae, was a dot to others.
    if (/%c[01]/i.test(decoded)) return true;
    decoded = decoded.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  }
  if (/\p{Cc}/u.test(decoded)) return true;
  return decoded.split(/[/\\]/).some((segment) => /^\s*\.\.\s*(;|$)/.test(segment));
}

function invalid(what: string): OracleError {
  return new OracleError("url_invalid", `not accepted in a URL: ${what}`);
}

function unsupported(what: string): OracleError {
  return new OracleError("url_unsupported", `not looked up: ${what}`);
}
