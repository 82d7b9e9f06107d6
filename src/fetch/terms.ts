import { hash } from "node:crypto";
import type { Target } from "../domain/target.ts";
import type { Terms, Validators } from "../domain/terms.ts";
import { type Headers, singleHeader } from "./headers.ts";

const maxTagCharacters = 256; // the longest that are met, of multipart uploads, have some 70

// RFC 9110 8.8.3, less what is not visible ASCII: the tag goes into a request, where a line break would begin another header.
const entityTag = /^(?:W\/)?"[\x21\x23-\x7e]*"$/;

// RFC 9110 5.6.7. The obsolete forms are read by nobody who compares it as text.
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** Tells URLs apart that must not be remembered as text. */
export function urlHash({ href }: Target): string {
  return hash("sha256", href);
}

/** What a response with success, or a 304, says of how long it holds. Never throws. */
export function termsOf(headers: Headers, urlHash: string, isRedirected: boolean): Terms {
  const all = (name: string) => (headers[name] === undefined ? undefined : [headers[name]].flat().join(", "));
  return {
    isRedirected,
    cacheControl: all("cache-control"),
    expires: all("expires"),
    age: all("age"),
    date: all("date"),
    lastModified: all("last-modified"),
    validators: validatorsOf(headers, urlHash),
  };
}

function validatorsOf(headers: Headers, urlHash: string): Validators | null {
  const tag = singleHeader(headers, "etag") ?? "";
  const date = singleHeader(headers, "last-modified") ?? "";
  const etag = tag.length <= maxTagCharacters && entityTag.test(tag) ? tag : null;
  const lastModified = httpDate.test(date) && !Number.isNaN(Date.parse(date)) ? date : null;
  return etag === null && lastModified === null ? null : { etag, lastModified, urlHash };
}

/**
 * The headers that ask whether they still hold: both, since a server that does not know the one goes by the other (RFC 9111 4.3.1).
 * A weak tag will do: what its origin calls the same looks the same.
 */
export function conditionsOf({ etag, lastModified }: Validators): Record<string, string> {
  return {
    ...(etag !== null && { "if-none-match": etag }),
    ...(lastModified !== null && { "if-modified-since": lastModified }),
  };
}
