/**
 * Admission control: the whole policy of load control.
 *
 * A cache hit meets no limit of this file. A lookup meets these, in this order:
 *
 * 1. Load shedding (`load-shedder.ts`): while the decode queue has no room and has rejected bodies lately, a share of
 *    new lookups fails with `overloaded` (503), so that the event loop keeps two fifths of its time.
 * 2. Fetch slot (`semaphore.ts`): a concurrency limit for all fetches, with shares of each host and site
 *    (`fetch/shares.ts`) and a fair queue. A full queue, or no slot before the fetch timeout: `overloaded` (503) if the
 *    limit is that of the service, `host_busy` (429) if it is that of the host or site.
 * 3. Pacing (`pacer.ts`): while the event loop is busy, few fetches are without a head at once, so that neither cache hits
 *    nor decoders wait for the heads of all slots. They keep their slots meanwhile.
 * 4. Host health (`fetch/host-health.ts`), per hop: protects the origin, not this service. `source_unreachable` or
 *    `source_status` (502) without a connection.
 * 5. Connection slot ({@link AdmissionControl.addressSlots}), per hop: each address and each block of addresses has its
 *    share of the connections. None within the connect timeout: `host_busy` (429).
 * 6. Slow transfers (`transfers.ts`): while lookups wait for fetch slots, the slowest transfer gives its slot back, then
 *    ends; a large body must keep a minimum rate always. It ends like a timeout: the warning `body_timeout`, or
 *    `source_unreachable` (502) before the response.
 * 7. Byte budget (`byte-budget.ts`): memory for all bodies, their heads included, with a share of each site.
 *    No memory: `overloaded` (503) or `host_busy` (429).
 * 8. Decode queue, after the head: a body waits at its origin (backpressure) until the decoders are about to need it.
 *    - `regular` (`decode-queue.ts`): bounded by bytes and by expected work. If one body waits too long, or too many
 *      lookups wait for fetch slots behind it, all waiting bodies are skipped, and for a cooldown new ones that would wait.
 *    - `unpredictable`: formats whose cost is unknown (PDF, SVG); few at once, each under its permit until it is decoded.
 *
 *    A skipped body is no failure: the lookup ends with the facts of the head and the warning `decode_timeout`.
 * 9. The fetch slot is free again when the body has arrived: other lookups are fetched while this one is decoded.
 *    The decoder has its own queues in front of its workers (`media/decode/`); a full one is the warning `decode_timeout`.
 *
 * Outside of this file: the rate limit of a caller (`http/rate-limit.ts`) and the limit of inbound connections
 * (`http/connection-limit.ts`).
 */
import type { ByteBudget } from "../domain/byte-budget.ts";
import { OracleError } from "../domain/errors.ts";
import { type Limits, type Semaphore, wholeKey } from "../domain/limits.ts";
import type { Target } from "../domain/target.ts";
import type { Transfer } from "../domain/transfer.ts";
import { bufferBytesFor, createByteBudget } from "./byte-budget.ts";
import { createDecodeQueue, decodeQueueLimits, type DecodePermit } from "./decode-queue.ts";
import { createUtilizationMeter } from "./event-loop.ts";
import { createLoadShedder, sheddingLimits } from "./load-shedder.ts";
import { createPacer, pacerLimits } from "./pacer.ts";
import { createSemaphore, type SemaphoreOptions, takeWithin } from "./semaphore.ts";
import { createTransfers } from "./transfers.ts";

/** The limits that a lookup meets in the pipeline. */
export interface Admission {
  /** Load shedding: throws `overloaded` for a share of the lookups, and counts the rejection. Call it once per lookup. */
  shedLoad(): void;
  /**
   * Waits for a fetch slot.
   *
   * @param signal aborted at the timeout of the whole fetch
   * @throws OracleError `overloaded` or `host_busy`
   */
  admit(target: Target, signal: AbortSignal): Promise<AdmittedLookup>;
}

/** A lookup that may fetch. Disposing releases all that it has. */
export interface AdmittedLookup extends Disposable {
  /** For the fetch stage: its signal ends the fetch at the timeout, or if the transfer is too slow. */
  readonly transfer: Transfer;
  /**
   * Waits in a decode queue until a body may be read to its end and decoded.
   *
   * @param bytes the estimated size of the body
   * @returns null if the body is to be skipped
   */
  enterDecodeQueue(queue: DecodeQueueName, bytes: number): Promise<DecodePermit | null>;
  /** Releases the fetch slot: nothing more is fetched. A second call does nothing. */
  releaseSlot(): void;
}

export type DecodeQueueName = "regular" | "unpredictable";

/** All limits, with those that the fetch stage asks by itself, and the numbers for the metrics. */
export interface AdmissionControl extends Admission {
  readonly addressSlots: Semaphore;
  readonly byteBudget: ByteBudget;
  /** Taken fetch slots. */
  readonly active: number;
  /** Waiting lookups by queue. */
  readonly waiting: Readonly<Record<"fetch" | "decode" | "unpredictable", number>>;
  /** Bytes of bodies received from origins since the start. */
  readonly receivedBytes: number;
}

export interface AdmissionOptions {
  /** Concurrent fetches. */
  readonly maxFetches: number;
  /** Lookups that wait for a fetch slot. */
  readonly maxWaiting: number;
  /** Memory for all bodies that are being read. */
  readonly maxFetchBytes: number;
  /** Size of the largest body that is read. */
  readonly maxBodyBytes: number;
  /** The concurrency limits that a lookup counts against. */
  readonly limitsOf: (target: Target) => Limits;
  /** `expectedMs`: the recent mean decode time of a picture, divided by the number of workers. */
  readonly decoder: { readonly expectedMs: number };
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

// One site, or one block of addresses, has at most a quarter of each queue.
const shareOfQueue = 1 / 4;

// An eighth of FETCH_BYTES waits for decoders or is read for them: 32 MB with the default, a dozen phone photos.
const waitingShare = 1 / 8;

// The decode queue rejects its bodies at once if the queue for fetch slots is that full: other lookups cannot even begin.
const crowdedShare = 1 / 4;

// Bodies of unpredictable cost (PDF, SVG) that are read or decoded at once: as many as half of FETCH_BYTES has room for, two of
// 64 MiB with the defaults, but no more than keep the one slow decoder busy. The others wait with their heads only, on a quarter
// of the fetch slots, for longer than a body that stops keeps its place (5.1 s, see transfers.ts).
const unpredictableLimits = { shareOfBytes: 1 / 2, maxActive: 4, shareOfSlots: 1 / 4, patienceMs: 6000 };

export function createAdmission(options: AdmissionOptions): AdmissionControl {
  const { maxFetches, maxWaiting, maxFetchBytes, limitsOf, decoder, now } = options;
  const queueLimits = { maxWaiting, maxWaitingPerSite: Math.max(1, Math.ceil(maxWaiting * shareOfQueue)), now };
  const slots = createSemaphore({ maxActive: maxFetches, ...queueLimits });
  const unpredictableSlots = createSemaphore(unpredictableSlotsOf(options));
  const transfers = createTransfers({
    starved: (waitedMs) => slots.starved(waitedMs),
    maxYielded: maxFetches,
    now,
  });
  const decodeQueue = createDecodeQueue({
    ...decodeQueueLimits,
    maxBytes: maxFetchBytes * waitingShare,
    expectedMs: () => decoder.expectedMs,
    coming: () => slots.active,
    isCrowded: () => slots.waiting > maxWaiting * crowdedShare,
  });
  const pacer = createPacer({ ...pacerLimits, utilization: createUtilizationMeter(), now });
  const shedder = createLoadShedder({ ...sheddingLimits, isNeeded: () => decodeQueue.isShort });

  async function enterUnpredictable(limits: Limits, signal: AbortSignal): Promise<DecodePermit | null> {
    const slot = await takeWithin(unpredictableLimits.patienceMs, unpredictableSlots, limits, signal);
    return slot && { arrived: () => undefined, [Symbol.dispose]: () => slot.release() };
  }

  return {
    shedLoad() {
      if (decodeQueue.isFree || shedder.decide() === "accept") return;
      throw new OracleError("overloaded", "load shedding: the decode queue is full and the event loop is busy");
    },
    async admit(target, signal) {
      const limits = limitsOf(target);
      const slot = await slots.take(limits, signal);
      const start = await pacer.start(signal).catch((error: unknown) => {
        slot.release();
        throw error;
      });
      const keys = [...limits.map(({ key }) => key), wholeKey];
      const transfer = transfers.begin(keys, signal, () => slot.release());
      return {
        transfer,
        enterDecodeQueue(queue, bytes) {
          start[Symbol.dispose]();
          return queue === "regular" ? decodeQueue.take(bytes, signal) : enterUnpredictable(limits, signal);
        },
        releaseSlot: () => slot.release(),
        [Symbol.dispose]() {
          start[Symbol.dispose]();
          transfer[Symbol.dispose]();
          slot.release();
        },
      };
    },
    addressSlots: createSemaphore({ maxActive: Infinity, ...queueLimits }), // bounded by the fetch slots
    byteBudget: createByteBudget(maxFetchBytes),
    get active() {
      return slots.active;
    },
    get waiting() {
      return { fetch: slots.waiting, decode: decodeQueue.waiting, unpredictable: unpredictableSlots.waiting };
    },
    get receivedBytes() {
      return transfers.receivedBytes;
    },
  };
}

/** Derives the limits of the queue for bodies of unpredictable cost. */
function unpredictableSlotsOf({ maxFetchBytes, maxFetches, maxBodyBytes, now }: AdmissionOptions): SemaphoreOptions {
  const { shareOfBytes, maxActive, shareOfSlots } = unpredictableLimits;
  const roomFor = Math.floor((maxFetchBytes * shareOfBytes) / bufferBytesFor(maxBodyBytes));
  const maxWaiting = Math.floor(maxFetches * shareOfSlots);
  return {
    maxActive: Math.min(maxActive, Math.max(1, roomFor)),
    maxWaiting,
    maxWaitingPerSite: Math.max(1, Math.ceil(maxWaiting / 2)), // most chat servers have one upload host
    now,
  };
}
