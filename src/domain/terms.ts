/** How to ask a source whether what it sent before still holds (RFC 9110 8.8). Hostile text, checked: it goes into a request. */
export interface Validators {
  /** As it came, weak or strong, quotes included; at most 256 visible ASCII characters. */
  readonly etag: string | null;
  /** As it came: an IMF-fixdate. */
  readonly lastModified: string | null;
  /** SHA-256 in hex of the URL that gave them, behind any redirects: they are never shown to another. */
  readonly urlHash: string;
}

const maxTagCharacters = 256; // the longest that are met, of multipart uploads, have some 70

// RFC 9110 8.8.3, less what is not visible ASCII: the tag goes into a request, where a line break would begin another header.
const entityTag = /^(?:W\/)?"[\x21\x23-\x7e]*"$/;

// RFC 9110 5.6.7. The obsolete forms are read by nobody who compares it as text.
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** Whether a text can be {@link Validators.etag}. */
export function isEntityTag(text: string): boolean {
  return text.length <= maxTagCharacters && entityTag.test(text);
}

/** Whether a text can be {@link Validators.lastModified}. */
export function isHttpDate(text: string): boolean {
  return httpDate.test(text) && !Number.isNaN(Date.parse(text));
}

/** What a source said of how long its answer holds: headers as they came, hostile; of one that came more than once all, with commas. */
export interface Terms {
  /** Whether redirects led there, which may lead elsewhere while the answer still holds. */
  readonly isRedirected: boolean;
  readonly cacheControl: string | undefined;
  readonly expires: string | undefined;
  readonly age: string | undefined;
  readonly date: string | undefined;
  readonly lastModified: string | undefined;
  /** Null where it gave none that can be used; of one that was not modified, at least those it was asked with. */
  readonly validators: Validators | null;
}
