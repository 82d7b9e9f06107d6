/** How to ask a source whether what it sent before still holds (RFC 9110 8.8). Hostile text, checked: it goes into a request. */
export interface Validators {
  /** As it came, weak or strong, quotes included; at most 256 visible ASCII characters. */
  readonly etag: string | null;
  /** As it came: an IMF-fixdate. */
  readonly lastModified: string | null;
  /** SHA-256 in hex of the URL that gave them, behind any redirects: they are never shown to another. */
  readonly urlHash: string;
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
