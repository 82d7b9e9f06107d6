import { createHash } from "node:crypto";
import type { Source } from "../../src/fetch/source.ts";
import { noCacheHeaders } from "../../src/domain/terms.ts";

export interface FakeSourceOptions {
  /** Bytes that arrive at a time, whenever more are wanted. Default: all. */
  readonly step?: number;
  /** The origin stalls after so many bytes. */
  readonly stallsAfter?: number;
  /** Null for a chunked response. Default: the length of the body. */
  readonly declaredBytes?: number | null;
  readonly declaredType?: string;
  /** Default: true. */
  readonly hasRanges?: boolean;
  readonly maxBytes?: number;
}

/** A source over bytes in memory, and a record of its reads. */
export interface FakeSource extends Source {
  /** The ranges that were requested. */
  readonly ranges: readonly (readonly [from: number, to: number])[];
  /** Calls of `arrived`. */
  readonly calls: number;
  /** More bytes of a stalled body arrive: it stalls again after so many. */
  resume(stallsAfter: number): void;
  /** Ends a stalled body, as a timeout does. */
  timeOut(): void;
}

/** Creates a source whose body arrives as the test says. */
export function createFakeSource(body: Uint8Array, options: FakeSourceOptions = {}): FakeSource {
  const { step = body.byteLength, hasRanges = true, maxBytes = Infinity } = options;
  const { declaredBytes = body.byteLength, declaredType = null } = options;
  const ranges: [number, number][] = [];
  let stallsAfter = options.stallsAfter ?? Infinity;
  let length = 0;
  let calls = 0;
  let outcome: Source["outcome"] = null;
  const waiters: { readonly bytes: number; readonly proceed: () => void }[] = [];

  function end(warning: "body_timeout" | null, isWhole: boolean): void {
    const bytes = body.subarray(0, length);
    outcome ??= { bytes, sha256: isWhole ? createHash("sha256").update(bytes).digest("hex") : null, warning };
    for (const { proceed } of waiters.splice(0)) proceed();
  }

  /** Whether the body now has so many bytes, or has ended. */
  function advance(bytes: number): boolean {
    const limit = Math.min(stallsAfter, body.byteLength);
    while (length < bytes && length < limit && !outcome) length = Math.min(length + step, limit);
    if (length === body.byteLength && bytes > length) end(null, true);
    return length >= bytes || outcome !== null;
  }

  async function arrived(bytes: number): Promise<Uint8Array> {
    calls += 1;
    if (!advance(bytes)) await new Promise<void>((proceed) => waiters.push({ bytes, proceed }));
    return body.subarray(0, length);
  }

  const close = () => undefined;
  return {
    isNotModified: false,
    terms: noCacheHeaders,
    declaredBytes,
    isTooLarge: declaredBytes !== null && declaredBytes > maxBytes,
    declaredType,
    filename: null,
    get received() {
      return body.subarray(0, length);
    },
    get outcome() {
      return outcome;
    },
    ranges,
    get calls() {
      return calls;
    },
    arrived,
    async body() {
      await arrived(Infinity);
      return outcome!;
    },
    stop: () => end(null, false),
    range(from, to) {
      ranges.push([from, to]);
      return Promise.resolve(hasRanges ? body.subarray(from, to) : null);
    },
    resume(bytes) {
      stallsAfter = bytes;
      for (const waiter of waiters.splice(0)) {
        if (advance(waiter.bytes)) waiter.proceed();
        else waiters.push(waiter);
      }
    },
    timeOut: () => end("body_timeout", false),
    close,
    [Symbol.dispose]: close,
  };
}
