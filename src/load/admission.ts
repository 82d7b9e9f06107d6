import { OracleError } from "../domain/errors.ts";
import { createDecodeQueue, type DecodePermit } from "./decode-queue.ts";
import { createLoadShedder } from "./load-shedder.ts";
import { createSemaphore, type Limits, takeWithin, wholeKey } from "./semaphore.ts";
import { createTransfers, type Transfer } from "./transfers.ts";

/**
 * Admission control: the policy for all work that the service takes on.
 *
 * A lookup that the cache cannot answer meets these limits, in this order:
 *
 * 1. Load shedding: while the decode queue rejects bodies, a share of the lookups is rejected with 503, so that half of the
 *    event loop's time stays for cache hits (load-shedder.ts).
 * 2. Fetch slots: a concurrency limit for the service, and narrower ones for a host, its site and its block of addresses.
 *    The queue is fair between sites; a full queue rejects with 503 `overloaded`, a full share with 429 `host_busy`
 *    (semaphore.ts, fetch/shares.ts).
 * 3. Slow transfers give their slot back, or end, while others wait for it (transfers.ts).
 * 4. Byte budget: the bodies in memory, and the share of one site in them: 503 or 429 (byte-budget.ts).
 * 5. Decode queue (backpressure): a body is read beyond its head only when the decoders will soon need it. A full queue skips
 *    the body: the answer has the facts of the head, and the warning `decode_timeout` (decode-queue.ts). Formats of
 *    unpredictable cost (PDF, SVG) have a small queue of their own.
 * 6. Queues of the workers, by lane, with a budget of memory and time for each picture (media/decode/).
 *
 * Limits of clients stand before all of these: rate limit and connections (http/). The circuit breaker and the Retry-After
 * backoff of origins are no limits of load: they fail fast (fetch/).
 */
export interface Admission {
  /**
   * Admits a new lookup, or rejects it (load shedding).
   *
   * @throws OracleError `overloaded`
   */
  admit(): void;
  /**
   * Waits for a fetch slot.
   *
   * @param limits of the lookup's host, site and block, narrowest first
   * @throws OracleError `overloaded`, `host_busy`
   */
  takeFetchSlot(limits: Limits, signal: AbortSignal): Promise<FetchSlot>;
  /**
   * Waits until a body may be read and decoded.
   *
   * @param bytes expected to be read
   * @returns null if the result would be too late for most callers: do not read the body
   */
  enterDecodeQueue(
    queue: DecodeQueueName,
    bytes: number,
    limits: Limits,
    signal: AbortSignal,
  ): Promise<DecodePermit | null>;
  /** Number of lookups in each queue. */
  readonly waiting: Readonly<Record<"fetch" | DecodeQueueName, number>>;
  /** Fetch slots in use. */
  readonly activeFetches: number;
}

/** The queue for most formats, and the one for formats of unpredictable cost. */
export type DecodeQueueName = "decode" | "unpredictable";

/** A fetch slot and the transfer that it is for. Disposing it releases the slot. */
export interface FetchSlot extends Disposable {
  readonly transfer: Transfer;
  /** Lets another lookup fetch; a second call does nothing. */
  release(): void;
}

export interface AdmissionOptions {
  /** Concurrent fetches. */
  readonly maxFetches: number;
  /** Lookups that may wait for a fetch slot. */
  readonly maxWaiting: number;
  /** Memory for bodies, as in the byte budget. */
  readonly maxFetchBytes: number;
  /** Largest body. */
  readonly maxBodyBytes: number;
  /** The recent mean time of a decode, divided by the number of workers. */
  readonly decoder: { readonly expectedMs: number };
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

// One site has at most a quarter of the queue.
const siteShareOfQueue = 1 / 4;

// The decode queue: at most half a second of work, and an eighth of the memory for bodies: 32 MB, a dozen phone photos.
// Bursts are worked off for five seconds: two hundred photos. A room does not wait that long, and has the facts of the head by then.
const decodeQueueLimits = { maxWorkMs: 500, arrivalMs: 250, lookMs: 1000, patienceMs: 5000, shortMs: 1000 };
const waitingShareOfBytes = 1 / 8;

// New lookups do not even begin while the queue for fetch slots is so full: the bodies in the decode queue are given up.
const crowdedShareOfQueue = 1 / 4;

// Bodies of unpredictable cost that are read or decoded at once: as many as half of the memory has room for, two of 64 MiB
// with the defaults, but no more than keep the one slow decoder busy. The others wait with their heads only, on a quarter of
// the fetch slots, for longer than a body that stops keeps its place (5.1 s, see transfers.ts).
const unpredictableLimits = { shareOfBytes: 1 / 2, maxActive: 4, shareOfSlots: 1 / 4, patienceMs: 6000 };

// Half of the event loop's time stays for cache hits; on few processors, for the decoders too.
const sheddingLimits = { mostBusy: 0.5, everyMs: 50 };

export function createAdmission(options: AdmissionOptions): Admission {
  const { maxFetches, maxWaiting, maxFetchBytes, maxBodyBytes, decoder, now } = options;
  const fetchSlots = createSemaphore({
    maxActive: maxFetches,
    maxWaiting,
    maxWaitingPerSite: Math.max(1, Math.ceil(maxWaiting * siteShareOfQueue)),
    now,
  });
  const unpredictableSlots = createSemaphore(unpredictableSlotsOf(maxFetches, maxFetchBytes, maxBodyBytes, now));
  const transfers = createTransfers({
    starved: (waitedMs) => fetchSlots.starved(waitedMs),
    maxYielded: maxFetches,
    now,
  });
  const decodeQueue = createDecodeQueue({
    ...decodeQueueLimits,
    maxBytes: maxFetchBytes * waitingShareOfBytes,
    expectedMs: () => decoder.expectedMs,
    coming: () => fetchSlots.active,
    isCrowded: () => fetchSlots.waiting > maxWaiting * crowdedShareOfQueue,
  });
  const shedder = createLoadShedder({ ...sheddingLimits, isNeeded: () => decodeQueue.isShort });

  return {
    admit() {
      if (decodeQueue.isFree || shedder.admit()) return;
      throw new OracleError("overloaded", "load shedding: the decoders are overloaded");
    },
    async takeFetchSlot(limits, signal) {
      const permit = await fetchSlots.take(limits, signal);
      const keys = [...limits.map(({ key }) => key), wholeKey];
      const transfer = transfers.begin(keys, signal, () => permit.release());
      return {
        transfer,
        release: () => permit.release(),
        [Symbol.dispose]() {
          transfer[Symbol.dispose]();
          permit.release();
        },
      };
    },
    async enterDecodeQueue(queue, bytes, limits, signal) {
      if (queue === "decode") return decodeQueue.take(bytes, signal);
      const permit = await takeWithin(unpredictableLimits.patienceMs, unpredictableSlots, limits, signal);
      return permit && { arrived: () => undefined, [Symbol.dispose]: () => permit.release() };
    },
    get waiting() {
      return {
        fetch: fetchSlots.waiting,
        decode: decodeQueue.waiting,
        unpredictable: unpredictableSlots.waiting,
      };
    },
    get activeFetches() {
      return fetchSlots.active;
    },
  };
}

function unpredictableSlotsOf(maxFetches: number, maxFetchBytes: number, maxBodyBytes: number, now: () => number) {
  const { shareOfBytes, maxActive, shareOfSlots } = unpredictableLimits;
  const bufferBytes = 2 ** Math.ceil(Math.log2(maxBodyBytes)); // as the byte budget lends
  const maxWaiting = Math.floor(maxFetches * shareOfSlots);
  return {
    maxActive: Math.min(maxActive, Math.max(1, Math.floor((maxFetchBytes * shareOfBytes) / bufferBytes))),
    maxWaiting,
    maxWaitingPerSite: Math.max(1, Math.ceil(maxWaiting / 2)), // most chat servers have one upload host
    now,
  };
}
