/// <reference lib="es2024.arraybuffer" />

import type { ByteBudget, ByteLender } from "../domain/byte-budget.ts";

const smallestBytes = 4 * 1024; // a thousand silent bodies take 4 MB

// Kept for reuse: sixteen photos of a phone. The rest goes back to the system at once.
const maxSpareBytes = 64 * 1024 * 1024;
// At a peak, memory is needed more than time: there are spare buffers only while half of the budget is free.
const spareShare = 1 / 2;
// A service at rest keeps none.
const spareMs = 10_000;

const smallShare = 1 / 8;
const maxSmallBytes = 1024 * 1024;

// With the defaults a quarter is 64 MiB, the largest body that is read.
const siteShare = 1 / 4;
const freeShare = 1 / 2;

/**
 * Creates the byte budget.
 *
 * Buffers are reused: a new one for each body cost 1.5 ms per megabyte in page faults and garbage collection, more than
 * all other work on the bytes.
 *
 * Two shares keep a few large bodies from taking all the memory:
 * - An eighth is reserved for buffers of up to 1 MiB, for small pictures.
 * - One site has at most a quarter in buffers of more than 1 MiB, or more while half of the memory stays free.
 *   The first large body of a site is exempt. The small buffers of a site are bounded by its slots.
 *
 * @param maxBytes beyond it a new loan is refused; a body that needs no more memory is never affected
 */
export function createByteBudget(maxBytes: number): ByteBudget {
  const spare = new Map<number, ArrayBuffer[]>(); // by size, powers of two
  const largeOf = new Map<string, number>(); // by site; only sites with large buffers: strangers choose the names
  let spareBytes = 0;
  let used = 0;
  let hasLent = false; // since the last check for rest
  let resting: NodeJS.Timeout | undefined;

  const hasSpare = (size: number) => (spare.get(size)?.length ?? 0) > 0;
  const mayKeep = (bytes: number) => spareBytes + bytes <= maxSpareBytes && isRoomy(bytes);
  const isRoomy = (bytes: number) => used + spareBytes + bytes <= maxBytes * spareShare;

  function borrow(size: number): ArrayBuffer {
    const buffer = spare.get(size)?.pop();
    // Resizable, so that its memory can be freed without the garbage collector.
    if (!buffer) return new ArrayBuffer(size, { maxByteLength: size });
    spareBytes -= size;
    return buffer;
  }

  /** Frees the spare buffers. */
  function discardSpare(): void {
    for (const buffers of spare.values()) for (const buffer of buffers) buffer.resize(0);
    spare.clear();
    spareBytes = 0;
  }

  function takeBack({ buffer, byteLength }: Uint8Array): void {
    used -= byteLength;
    const resizable = buffer as ArrayBuffer;
    if (!mayKeep(byteLength)) return resizable.resize(0);
    resting ??= setTimeout(discardAtRest, spareMs).unref();
    spareBytes += byteLength;
    const sameSize = spare.get(byteLength) ?? [];
    spare.set(byteLength, sameSize);
    sameSize.push(resizable);
  }

  /** Frees the spare buffers if none was lent since the last call. */
  function discardAtRest(): void {
    resting = hasLent ? setTimeout(discardAtRest, spareMs).unref() : undefined;
    if (!hasLent) discardSpare();
    hasLent = false;
  }

  /** Returns the failure code if the loan exceeds a limit, else null. */
  function refusalOf(site: string | null, size: number, insteadBytes: number): "overloaded" | "host_busy" | null {
    const usedThen = used - insteadBytes + size;
    if (usedThen > (size > maxSmallBytes ? maxBytes * (1 - smallShare) : maxBytes)) return "overloaded";
    const others = site === null ? 0 : (largeOf.get(site) ?? 0) - largePart(insteadBytes);
    const isBeyondShare = others > 0 && others + largePart(size) > maxBytes * siteShare;
    return isBeyondShare && largePart(size) > 0 && usedThen > maxBytes * freeShare ? "host_busy" : null;
  }

  function countLarge(site: string | null, change: number): void {
    if (site === null || change === 0) return;
    const left = (largeOf.get(site) ?? 0) + change;
    if (left > 0) largeOf.set(site, left);
    else largeOf.delete(site);
  }

  function lenderTo(site: string | null): ByteLender {
    function giveBack(buffer: Uint8Array): void {
      if (buffer.byteLength === 0) return;
      countLarge(site, -largePart(buffer.byteLength));
      takeBack(buffer);
    }
    return {
      lend(bytes, instead, length) {
        const size = bufferBytesFor(bytes);
        const refusal = refusalOf(site, size, instead.byteLength);
        if (refusal) return refusal;
        let lent: Uint8Array;
        if (!hasSpare(size) && !isRoomy(size)) discardSpare();
        try {
          lent = new Uint8Array(borrow(size), 0, size);
        } catch {
          return "overloaded"; // the system has no more
        }
        used += size;
        hasLent = true;
        countLarge(site, largePart(size));
        lent.set(instead.subarray(0, length));
        giveBack(instead);
        return lent;
      },
      giveBack,
    };
  }

  return {
    lenderTo,
    get used() {
      return used;
    },
    get spare() {
      return spareBytes;
    },
  };
}

/** Returns the size of the buffer that is lent for so many bytes. */
export function bufferBytesFor(bytes: number): number {
  return Math.max(smallestBytes, 2 ** Math.ceil(Math.log2(bytes)));
}

/** Returns the bytes of a buffer that count against the share of its site. */
function largePart(bytes: number): number {
  return bytes > maxSmallBytes ? bytes : 0;
}
