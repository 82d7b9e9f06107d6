/** Queues for a fetch slot, to be read and decoded (two kinds of bodies), and for a decoder worker. */
export type QueueName = "fetch" | "decode" | "unpredictable" | "workers";

/** Numbers that others keep, read when the metrics are. */
export interface Gauges {
  /** Lookups in progress. */
  inflight(): number;
  /** Waiting lookups by queue. */
  queueDepths(): Readonly<Record<QueueName, number>>;
  /** Decoder processes that had to be replaced since the start. */
  decoderRestarts(): number;
  /** The enabled formats by their names in the settings, and `poster` for frames of videos. */
  enabled(): Readonly<Record<string, boolean>>;
  /** Bytes of bodies received from origins since the start. */
  fetchedBytes(): number;
  /** Of the cache of this process. */
  cache(): Readonly<Record<CacheKind, CacheUse>>;
  /** Of the cache that replicas share (Redis); null if there is none. */
  readonly shared: SharedGauges | null;
  readonly build: Build;
}

/** The program that runs; the commit is null if unknown. */
export interface Build {
  readonly version: string;
  readonly commit: string | null;
  readonly node: string;
}

/** Entries with a success, and entries with only a failure, which have a memory of their own. */
export type CacheKind = "success" | "failure";

export interface CacheUse {
  readonly entries: number;
  /** Estimated size of the entries. */
  readonly bytes: number;
  /** Entries removed since the start because others needed their memory. */
  readonly evictions: number;
}

export interface SharedGauges {
  /** Whether Redis is available and accepts writes. */
  isWell(): boolean;
  /** Calls to Redis since the start. */
  calls(): number;
  /** Failed calls since the start. */
  failures(): number;
  /** Lookups that were answered from Redis since the start. */
  answers(): number;
}

const unused: CacheUse = { entries: 0, bytes: 0, evictions: 0 };

/** The numbers of a service that does nothing, for documents about the metrics. */
export const idleGauges: Gauges = {
  inflight: () => 0,
  queueDepths: () => ({ fetch: 0, decode: 0, unpredictable: 0, workers: 0 }),
  decoderRestarts: () => 0,
  enabled: () => ({}),
  fetchedBytes: () => 0,
  cache: () => ({ success: unused, failure: unused }),
  shared: null,
  build: { version: "", commit: null, node: "" },
};
