/** Validators for a conditional request (RFC 9110 8.8). Hostile text, checked: it goes into a request. */
export interface Validators {
  /** As it came, weak or strong, quotes included; at most 256 visible ASCII characters. */
  readonly etag: string | null;
  /** As it came: an IMF-fixdate. */
  readonly lastModified: string | null;
  /** SHA-256 in hex of the URL that sent them, after any redirects: they are sent to no other URL. */
  readonly urlHash: string;
}

const maxTagCharacters = 256; // tags of multipart uploads, the longest known ones, have some 70

// RFC 9110 8.8.3, visible ASCII only: the tag goes into a request, where a line break would begin another header.
const entityTag = /^(?:W\/)?"[\x21\x23-\x7e]*"$/;

// RFC 9110 5.6.7. The obsolete forms are missing on purpose: servers that compare dates as text do not read them.
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** Whether the text can be {@link Validators.etag}. */
export function isEntityTag(text: string): boolean {
  return text.length <= maxTagCharacters && entityTag.test(text);
}

/** Whether the text can be {@link Validators.lastModified}. */
export function isHttpDate(text: string): boolean {
  return httpDate.test(text) && !Number.isNaN(Date.parse(text));
}

/** Cache headers of a response: hostile text as received; repeated headers are joined by commas. */
export interface CacheHeaders {
  /** Whether redirects led there: these can change while the response is still fresh. */
  readonly isRedirected: boolean;
  readonly cacheControl: string | undefined;
  readonly expires: string | undefined;
  readonly age: string | undefined;
  readonly date: string | undefined;
  readonly lastModified: string | undefined;
  /** Null if there are no usable ones; of a 304 at least those of the request. */
  readonly validators: Validators | null;
}

export const noCacheHeaders: CacheHeaders = {
  isRedirected: false,
  cacheControl: undefined,
  expires: undefined,
  age: undefined,
  date: undefined,
  lastModified: undefined,
  validators: null,
};
