/** A URL that may be looked up, once parsed and found acceptable by its text alone. Only `createTargetParser` makes one. */
export interface Target {
  /** Normalised, without fragment: the key of all that is remembered, and what the reply says. */
  readonly href: string;
  /** The same, parsed. Never changed. */
  readonly url: URL;
  /**
   * Where the operator has it fetched from instead (`MEDIA_ORACLE_REWRITES`), or null.
   * The host, port and address rules do not apply to it; Host and the TLS name stay those of {@link url}.
   */
  readonly via: URL | null;
}
