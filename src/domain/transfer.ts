/** Measures the rate of an origin while we wait for it. */
export interface Meter {
  /** Begins a wait for the origin; waits may overlap. Returns a function that ends this wait; a second call is ignored. */
  wait(): () => void;
  received(bytes: number): void;
}

/** All that one lookup receives, from the connection to the last byte; ended if it is too slow. */
export interface Transfer extends Meter, Disposable {
  /** Aborted with the outer signal, or when the transfer is too slow. */
  readonly signal: AbortSignal;
}
