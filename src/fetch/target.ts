import { OracleError } from "../domain/errors.ts";
import { maxUrlCharacters, type Target } from "../domain/target.ts";
import { hasInvisible, hasJoiner, isSpellingOf, plainHost } from "./host-spelling.ts";
import { isPortIn, type PortRange } from "./ports.ts";
import { trimCharacters } from "./trim.ts";

export { parsePortRange, type PortRange } from "./ports.ts";

// RFC 6761, RFC 7686, ICANN's .internal, and unofficial names of home routers and company networks: names without a public
// owner. A pattern of ALLOW_HOSTS that matches one ends in the same suffix, so the operator has named it.
const privateSuffixes = new Set("localhost local internal lan home corp onion arpa test invalid example".split(" "));

const defaultPorts = { "http:": 80, "https:": 443 } as const;

/** URLs under `left` are fetched from `right`. Both end in a slash and have neither query nor credentials. */
export interface Rewrite {
  readonly left: URL;
  readonly right: URL;
}

export interface TargetOptions {
  readonly allowPorts: readonly PortRange[];
  /** Ports in rules of ALLOW_ADDRESSES: accepted in the URL; the address policy then decides for which addresses. */
  readonly extraPorts: readonly number[];
  /** Patterns from {@link parseHostPattern}. Empty means all hosts. */
  readonly allowHosts: readonly string[];
  /** Takes precedence over `allowHosts`. */
  readonly denyHosts: readonly string[];
  /** If several match, the one with the longest left side applies. */
  readonly rewrites: readonly Rewrite[];
}

/**
 * Creates the strict URL parser: the first layer of the SSRF guard. The address policy checks resolved addresses later.
 *
 * The parser throws OracleError `url_invalid` or `url_unsupported`, with a detail for the caller. They contain nothing of
 * the URL but its host, for the log: the URL is a secret (XEP-0363: it grants access to the file).
 */
export function createTargetParser(options: TargetOptions): (text: string) => Target {
  const allowHosts = options.allowHosts.map(parseHostPattern);
  const denyHosts = options.denyHosts.map(parseHostPattern);
  const rewrites = [...options.rewrites].sort((one, other) => other.left.href.length - one.left.href.length);

  function checkRules(url: URL): void {
    const port = portOf(url);
    // No origin serves media on the other scheme's port; the request would only cause a failed handshake. A rewrite is
    // exempt on both sides: the operator wrote it. A port in ALLOW_ADDRESSES is not: a name does not show its address.
    if (port === otherSchemePort(url)) throw unsupported("the port of the other scheme", url);
    if (!isPortIn(options.allowPorts, port) && !options.extraPorts.includes(port)) throw unsupported("the port", url);
    const host = url.hostname;
    if (denyHosts.some((pattern) => matchesHost(pattern, host))) throw unsupported("a denied host", url);
    if (allowHosts.some((pattern) => matchesHost(pattern, host))) return;
    if (allowHosts.length > 0) throw unsupported("a host that is not allowed", url);
    if (isPrivateName(host)) throw unsupported("a private name that ALLOW_HOSTS does not name", url);
  }

  return (text) => {
    const url = parseUrl(text);
    const rewrite = rewrites.find(({ left }) => url.origin === left.origin && url.pathname.startsWith(left.pathname));
    if (!rewrite) checkRules(url);
    return { href: url.href, url, via: rewrite ? rewritten(url, rewrite) : null };
  };
}

/**
 * Parses `https://left/=>http://right/`. Either side may be a private name.
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
 * Parses a host as in URLs (lower case, punycode), or `*.` and a host: all of its subdomains, but not itself.
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
    // Reported below.
  }
  throw new Error("a host is a name (example.org), everything below one (*.example.org), or an address");
}

/** Returns the port of a URL, or the default port of its scheme. */
export function portOf(url: URL): number {
  return url.port === "" ? defaultPorts[url.protocol === "https:" ? "https:" : "http:"] : Number(url.port);
}

/** Returns the default port of https for http, and vice versa (RFC 9110 4.2.1, 4.2.2). */
function otherSchemePort({ protocol }: URL): number {
  return protocol === "https:" ? defaultPorts["http:"] : defaultPorts["https:"];
}

/** Checks for an IP address as host: the WHATWG parser normalizes every spelling to one of these two. */
export function isAddressHost(hostname: string): boolean {
  return hostname.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(hostname);
}

/** Checks for a name that cannot be public: a single label, or one under a special-use suffix. */
function isPrivateName(hostname: string): boolean {
  if (isAddressHost(hostname)) return false;
  const labels = hostname.split(".");
  return labels.length < 2 || privateSuffixes.has(labels.at(-1) ?? "");
}

function matchesHost(pattern: string, hostname: string): boolean {
  return pattern.startsWith("*.") ? hostname.endsWith(pattern.slice(1)) : hostname === pattern;
}

const asciiWhiteSpace = " \t\n\f\r";

/**
 * Parses an absolute http(s) URL, and rejects most URLs that the WHATWG parser would repair.
 *
 * Two parsers may read such a URL differently: an SSRF guard is bypassed if the check and the connection disagree. Accepted
 * are white space around the URL, spaces after the host, and the spellings of hosts in {@link plainHost}.
 *
 * @returns without fragment, and without a trailing dot of the name
 */
function parseUrl(text: string): URL {
  // Cut the fragment first: in an aesgcm link it is the key. It is never sent.
  const cut = trimCharacters(text, asciiWhiteSpace).split("#", 1)[0] ?? "";
  if (cut.length > maxUrlCharacters) throw invalid(tooLong);
  // The WHATWG parser removes tabs and line ends, turns backslashes into slashes, and replaces lone surrogates.
  if (/[\\\p{Cc}\p{Cs}]|(?! )[\s\p{Z}]/u.test(cut)) throw invalid(badCharacter);
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(cut) ?? [];
  if (scheme === "") throw invalid("The URL has no scheme. Enter the complete URL, starting with https://.");
  if (!/^https?$/i.test(scheme)) throw unsupported("the scheme");
  const [, authority = "", path = ""] = /^\/\/([^/?]+)(.*)$/s.exec(rest) ?? [];
  if (authority === "") throw invalid("The URL has no host.");
  // Empty credentials too: http://@host is an attempt to mislead.
  if (authority.includes("@")) throw unsupported("credentials");
  if (authority.includes(" ")) throw invalid("The host has a space.");
  const [, host = "", port = ""] = /^(\[[^\]]*\]|[^:]*)(.*)$/s.exec(authority) ?? [];
  const plain = plainHost(host) + port;
  if (hasInvisible(plain)) throw invalid(invisibleCharacter);
  const url = parseWhatwg(`${scheme}://${plain}${path.replaceAll(" ", "%20")}`, plain);
  checkAuthority(plain, url);
  // An address in full-width digits is an attempt to mislead.
  if (plain !== authority && isAddressHost(url.hostname)) throw invalid(otherSpelling);
  if (url.hostname.endsWith(".")) {
    url.hostname = url.hostname.slice(0, -1);
    // Without the dot it must still be a name: otherwise `1.2.3.4..` would become an address after the checks.
    if (isAddressHost(url.hostname) || url.hostname.endsWith(".")) throw invalid(badLabel);
  }
  // Percent-encoding makes a URL longer. The limit applies to the result, which is sent and kept.
  if (url.href.length > maxUrlCharacters) throw invalid(tooLong);
  return url;
}

// Details of `url_invalid`, which callers see.
const tooLong = `The URL is too long: percent-encoded, it has more than ${maxUrlCharacters} characters.`;
const badCharacter =
  "The URL has a character that is not allowed: a line break, a control character, a backslash, or white space other than a plain space.";
const invisibleCharacter = "The host has an invisible character.";
const otherSpelling = "The host is not in its usual spelling.";
const badLabel = "The host is not a name of labels with letters, digits, - and _, of at most 63 characters each.";

/** Parses without `URL.canParse`, which in Node 20 rejects `ü` and similar after many calls. */
function parseWhatwg(text: string, authority: string): URL {
  try {
    return new URL(text);
  } catch {
    throw invalid(hasJoiner(authority) ? invisibleCharacter : "The host or the port is malformed.");
  }
}

/** Compares the authority as written with the result of the WHATWG parser; throws if they differ. */
function checkAuthority(authority: string, { hostname, port }: URL): void {
  const [, host = "", writtenPort] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(authority) ?? [];
  // The parser omits the default port of the scheme, and an empty one (`host:`).
  const isPortPlain = writtenPort === undefined || /^(0|[1-9]\d*)$/.test(writtenPort);
  if (!isPortPlain || (port !== "" && writtenPort !== port)) throw invalid("The port is not a plain number.");
  if (host.toLowerCase() === hostname && isAddressHost(hostname)) return;
  const written = host.split(".");
  const parsed = hostname.split(".");
  if (written.length !== parsed.length) throw invalid(otherSpelling);
  if (parsed.at(-1) === "" && parsed.length > 1) {
    parsed.pop();
    written.pop();
  }
  // RFC 1035 2.3.4: a longer name cannot be resolved.
  if (parsed.join(".").length > 253) throw invalid("The host name has more than 253 characters.");
  for (const [index, label] of parsed.entries()) {
    if (!/^[a-z0-9_-]{1,63}$/.test(label)) throw invalid(badLabel);
    if (!isSpellingOf(label, written[index] ?? "")) throw invalid(otherSpelling);
  }
}

/** Returns the URL under the right side for a URL under the left side. */
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
 * Checks for path traversal at a server that decodes the path once more, or twice: `..%2f`, `%252e%252e/`, `..%5c`,
 * `..;/`. The parser has removed plain dot segments. The operator's own network is behind a rewrite.
 */
function climbs(path: string): boolean {
  // Some servers decode invalid encodings (%u002e) to a dot.
  if (/%(?![0-9a-f]{2})/i.test(path)) return true;
  let decoded = path;
  for (let round = 0; round < 4; round += 1) {
    // Others decoded overlong UTF-8 (%c0%ae) to a dot.
    if (/%c[01]/i.test(decoded)) return true;
    decoded = decoded.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  }
  if (/\p{Cc}/u.test(decoded)) return true;
  return decoded.split(/[/\\]/).some((segment) => /^\s*\.\.\s*(;|$)/.test(segment));
}

/** @param detail for the caller */
function invalid(detail: string): OracleError {
  return new OracleError("url_invalid", detail, { detail, refusal: { rule: detail, host: null } });
}

const hostNotAllowed = "The operator of the service has not allowed this host.";
const pathNotAllowed = "The path could lead out of its folder: it has encoded dot segments.";

/** Rules of `url_unsupported`, as they are logged, each with the detail for callers: no host list, no address. */
const unsupportedDetails = {
  "the scheme": "The scheme must be http or https. An aesgcm URL is an encrypted upload: it is never fetched.",
  credentials: "The URL must not have a user name or password.",
  "the port of the other scheme":
    "The port is the default port of the other scheme: http has port 80, https has port 443.",
  "the port": "The operator of the service has not allowed this port.",
  "a denied host": hostNotAllowed,
  "a host that is not allowed": hostNotAllowed,
  "a private name that ALLOW_HOSTS does not name":
    "The host is a private name that the operator of the service has not allowed.",
  "a path that could leave the rewritten folder": pathNotAllowed,
  "a path that leaves the rewritten folder": pathNotAllowed,
} as const;

/** @param url once it is parsed: before that, what looks like its host may be a password */
function unsupported(rule: keyof typeof unsupportedDetails, url?: URL): OracleError {
  const refusal = { rule, host: url?.host ?? null };
  return new OracleError("url_unsupported", `not looked up: ${rule}`, { detail: unsupportedDetails[rule], refusal });
}
