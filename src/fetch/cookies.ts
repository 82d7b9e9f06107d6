import type { Headers } from "./headers.ts";

/** The cookies of one lookup (RFC 6265): some redirects lead back to the same URL until it has the cookie that they set. */
export interface Cookies {
  /** Stores the cookies that a response from this URL sets. */
  store(url: URL, headers: Headers): void;
  /** Returns the `cookie` header for a request to this URL, if there is one. */
  headersFor(url: URL): { readonly cookie?: string };
}

// Redirects need one or two cookies. Many servers reject request heads of more than 8 KiB.
const limits = { cookies: 16, totalBytes: 4096 };

const nameForm = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i; // RFC 6265 4.1.1: a token
const valueForm = /^[\x20-\x3a\x3c-\x7e]*$/; // visible ASCII and spaces, without the semicolon

/**
 * Creates an empty set of cookies, for one lookup.
 *
 * Each goes only to the host and port that set it. `Domain` and `Path` are ignored: `Domain` could widen that to other hosts,
 * and `Path` does not protect anything (RFC 6265 8.5).
 */
export function createCookies(): Cookies {
  const cookies = new Map<string, { host: string; pair: string; isSecure: boolean }>(); // by host and name

  function storeOne(url: URL, header: string): void {
    const [pair = "", ...attributes] = header.split(";");
    const [name, value] = splitAtEquals(pair);
    if (!nameForm.test(name) || !pair.includes("=") || !valueForm.test(value)) return;
    const attribute = new Map(attributes.map(splitAtEquals).map(([name, value]) => [name.toLowerCase(), value]));
    const isSecure = attribute.has("secure");
    const key = `${url.host} ${name}`;
    if (url.protocol !== "https:" && (isSecure || cookies.get(key)?.isSecure)) return;
    cookies.delete(key);
    const usedBytes = [...cookies.values()].reduce((sum, { pair }) => sum + pair.length, 0);
    if (isExpired(attribute) || cookies.size >= limits.cookies || usedBytes + pair.length > limits.totalBytes) return;
    cookies.set(key, { host: url.host, pair: `${name}=${value}`, isSecure });
  }

  return {
    store: (url, headers) => [headers["set-cookie"] ?? []].flat().forEach((header) => storeOne(url, header)),
    headersFor({ host, protocol }) {
      const isSent = (cookie: { host: string; isSecure: boolean }) =>
        cookie.host === host && (!cookie.isSecure || protocol === "https:");
      const pairs = [...cookies.values()].filter(isSent).map(({ pair }) => pair);
      return pairs.length === 0 ? {} : { cookie: pairs.join("; ") };
    },
  };
}

function splitAtEquals(text: string): [name: string, value: string] {
  const [name = "", ...rest] = text.split("=");
  return [name.trim(), rest.join("=").trim()];
}

/** Whether the cookie is deleted: `Max-Age` takes precedence over `Expires` (RFC 6265 5.3). */
function isExpired(attribute: ReadonlyMap<string, string>): boolean {
  const maxAge = attribute.get("max-age") ?? "";
  return /^-?\d+$/.test(maxAge) ? Number(maxAge) <= 0 : Date.parse(attribute.get("expires") ?? "") <= Date.now();
}
