/// <reference lib="es2024.arraybuffer" />

/**
 * Byte budget: lends the memory that bodies are read into, and counts what all of them together have.
 *
 * The buffers are used again: a fresh one for each body cost 1.5 ms a megabyte in page faults and garbage collection,
 * more than all else that is done with the bytes. A buffer may hold bytes of an earlier body: the borrower looks only at
 * what it wrote.
 *
 * Two shares keep a few large bodies from taking all the memory:
 * - An eighth of it is for buffers of up to 1 MiB alone, so small pictures always have some.
 * - One site has at most a quarter in buffers of more than 1 MiB, or, while half of the memory stays free for the others, more.
 *   One large body of a site is always possible. The small buffers of a site are bounded by its slots.
 */
export interface ByteBudget {
  /** The part of a site, for the bodies that it sends; null is not a site and has no share but the whole. */
  lenderTo(site: string | null): ByteLender;
  /** Bytes lent. */
  readonly used: number;
}

export interface ByteLender {
  /**
   * A buffer with room for at least so many bytes, which are counted as lent.
   *
   * @param instead the buffer it takes the place of, whose first `length` bytes are carried over; given back by this
   * @returns the failure code if there is no room (`host_busy`: in the share of the site); `instead` is then still lent
   */
  lend(bytes: number, instead: Uint8Array, length: number): Uint8Array | "overloaded" | "host_busy";
  /** The buffer must not be read afterwards. An empty one is ignored. */
  giveBack(buffer: Uint8Array): void;
}

const smallestBytes = 4 * 1024; // a thousand silent bodies: 4 MB

// Kept to be lent again: sixteen photos of a phone. More goes back to the system at once.
const maxSpareBytes = 64 * 1024 * 1024;

const smallShare = 1 / 8;
const maxSmallBytes = 1024 * 1024;

// With the defaults a quarter is 64 MiB, the largest body that is read.
const siteShare = 1 / 4;
const freeShare = 1 / 2;

/** @param maxBytes past it the newcomer is refused, never a body that began earlier and needs no more */
export function createByteBudget(maxBytes: number): ByteBudget {
  const spare = new Map<number, ArrayBuffer[]>(); // by size, powers of two
  const largeOf = new Map<string, number>(); // by site, only those that have large buffers: strangers choose the names
  let spareBytes = 0;
  let used = 0;

  function borrow(size: number): ArrayBuffer {
    const buffer = spare.get(size)?.pop();
    // Resizable, so that its memory can be had back without waiting for the garbage collector.
    if (!buffer) return new ArrayBuffer(size, { maxByteLength: size });
    spareBytes -= size;
    return buffer;
  }

  /** Spare buffers are within the budget too: they make room for a new loan. */
  function discardSpare(): void {
    for (const buffers of spare.values()) for (const buffer of buffers) buffer.resize(0);
    spare.clear();
    spareBytes = 0;
  }

  function takeBack({ buffer, byteLength }: Uint8Array): void {
    used -= byteLength;
    const resizable = buffer as ArrayBuffer;
    if (spareBytes + byteLength > maxSpareBytes) return resizable.resize(0);
    spareBytes += byteLength;
    const sameSize = spare.get(byteLength) ?? [];
    spare.set(byteLength, sameSize);
    sameSize.push(resizable);
  }

  /** Why so many more bytes are not to be lent; null if they may be. */
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
        const size = Math.max(smallestBytes, 2 ** Math.ceil(Math.log2(bytes)));
        const refusal = refusalOf(site, size, instead.byteLength);
        if (refusal) return refusal;
        let lent: Uint8Array;
        if (used + spareBytes + size > maxBytes) discardSpare();
        try {
          lent = new Uint8Array(borrow(size), 0, size);
        } catch {
          return "overloaded"; // the system has no more
        }
        used += size;
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
  };
}

/** The bytes of a buffer that count against the share of its site. */
function largePart(bytes: number): number {
  return bytes > maxSmallBytes ? bytes : 0;
}
