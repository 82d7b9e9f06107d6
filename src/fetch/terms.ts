import { hash } from "node:crypto";
import type { Target } from "../domain/target.ts";
import { isEntityTag, isHttpDate, type CacheHeaders, type Validators } from "../domain/terms.ts";
import { type Headers, singleHeader } from "./headers.ts";

/** Hashes a URL: URLs are secrets, and must not be stored as text. */
export function urlHash({ href }: Target): string {
  return hash("sha256", href);
}

/** Returns the headers on freshness and the validators of a successful or 304 response. Never throws. */
export function cacheHeadersOf(headers: Headers, urlHash: string, isRedirected: boolean): CacheHeaders {
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
  const etag = isEntityTag(tag) ? tag : null;
  const lastModified = isHttpDate(date) ? date : null;
  return etag === null && lastModified === null ? null : { etag, lastModified, urlHash };
}

/**
 * Returns the headers of a conditional request (RFC 9111 4.3.1): both, since a server may support only one.
 *
 * A weak entity tag is sufficient: the origin considers the representations equivalent.
 */
export function conditionsOf({ etag, lastModified }: Validators): Record<string, string> {
  return {
    ...(etag !== null && { "if-none-match": etag }),
    ...(lastModified !== null && { "if-modified-since": lastModified }),
  };
}
