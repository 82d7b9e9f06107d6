/** Byte budget: lends buffers for bodies from a pool, and bounds their total size. */
export interface ByteBudget {
  /** Returns the lender for the bodies of one site; null for no site, without a limit but the whole budget. */
  lenderTo(site: string | null): ByteLender;
  /** Bytes lent. */
  readonly used: number;
  /** Bytes kept for the next loans. */
  readonly spare: number;
}

/** Lends buffers that are reused: one may contain bytes of an earlier body, so the borrower reads only its own writes. */
export interface ByteLender {
  /**
   * Lends a buffer of at least `bytes` bytes.
   *
   * @param instead the buffer to replace: its first `length` bytes are copied, and it is given back
   * @returns the failure code if the budget is used up (`host_busy`: that of the site); `instead` then stays lent
   */
  lend(bytes: number, instead: Uint8Array, length: number): Uint8Array | "overloaded" | "host_busy";
  /** Takes a buffer back; it must not be read afterwards. An empty one is ignored. */
  giveBack(buffer: Uint8Array): void;
}
