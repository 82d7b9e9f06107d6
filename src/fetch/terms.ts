import { hash } from "node:crypto";
import type { Target } from "../domain/target.ts";
import { isEntityTag, isHttpDate, type CacheHeaders, type Validators } from "../domain/terms.ts";
import { type Headers, singleHeader } from "./headers.ts";

/** Tells URLs apart that must not be remembered as text. */
export function urlHash({ href }: Target): string {
  return hash("sha256", href);
}

/** What a response with success, or a 304, says of how long it holds. Never throws. */
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
 * The headers that ask whether they still hold: both, since a server that does not know the one goes by the other (RFC 9111 4.3.1).
 * A weak tag will do: what its origin calls the same looks the same.
 */
export function conditionsOf({ etag, lastModified }: Validators): Record<string, string> {
  return {
    ...(etag !== null && { "if-none-match": etag }),
    ...(lastModified !== null && { "if-modified-since": lastModified }),
  };
}
