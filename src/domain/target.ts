/** The longest URL, percent-encoded and without its fragment. RFC 9110 4.1 recommends to support 8000 octets. */
export const maxUrlCharacters = 8192;

/** A parsed URL whose text passed the target rules, or the URL of a local file. Made by `createTargetParser` and `withLocalFiles` alone. */
export interface Target {
  /** Normalised, without fragment: the cache key is derived from it, and the reply has it as `url`. */
  readonly href: string;
  /** The same, parsed; never mutated. */
  readonly url: URL;
  /**
   * The URL that is fetched instead, by the operator's `MEDIA_ORACLE_REWRITES`; else null.
   * The host, port and address rules do not apply to it; Host and the TLS name stay those of {@link url}.
   */
  readonly via: URL | null;
}
