/// <reference lib="es2024.arraybuffer" />

/**
 * Lends the memory that bodies are read into, and counts what all of them together have.
 *
 * The buffers are used again: a fresh one for each body cost 1.5 ms a megabyte in page faults and garbage collection,
 * more than all else that is done with the bytes. A buffer may hold what somebody left in it: the borrower looks only at
 * what it wrote.
 */
export interface ByteBudget {
  /**
   * A buffer with room for at least so many bytes, which are counted as lent.
   *
   * @param instead the buffer it takes the place of, whose first `length` bytes are carried over; given back by this
   * @returns null where there is no room: `instead` is then still lent
   */
  lend(bytes: number, instead: Uint8Array, length: number): Uint8Array | null;
  /** Nothing may read it any more. Of an empty one nothing is taken back. */
  giveBack(buffer: Uint8Array): void;
  /** Bytes lent. */
  readonly used: number;
}

const smallestBytes = 4 * 1024; // a thousand silent bodies: 4 MB

// What is kept to be lent again: sixteen photos of a phone. More goes back to the system at once.
const maxSpareBytes = 64 * 1024 * 1024;

// Of what there is, this share is for bodies up to that size alone: otherwise a few endless ones, which fill everything
// there is until their limit comes, would shut out all the small pictures.
const smallShare = 1 / 8;
const maxSmallBytes = 1024 * 1024;

/** @param maxBytes past it the newcomer is refused, never one who has begun earlier and asks for nothing more */
export function createByteBudget(maxBytes: number): ByteBudget {
  const spare = new Map<number, ArrayBuffer[]>(); // by size, powers of two
  let spareBytes = 0;
  let used = 0;

  function borrow(size: number): ArrayBuffer {
    const buffer = spare.get(size)?.pop();
    // Resizable, so that its memory can be had back without waiting for the garbage collector.
    if (!buffer) return new ArrayBuffer(size, { maxByteLength: size });
    spareBytes -= size;
    return buffer;
  }

  /** What is spare is within the budget too: it makes room for what is lent. */
  function discardSpare(): void {
    for (const buffers of spare.values()) for (const buffer of buffers) buffer.resize(0);
    spare.clear();
    spareBytes = 0;
  }

  function giveBack({ buffer, byteLength }: Uint8Array): void {
    if (byteLength === 0) return;
    used -= byteLength;
    const resizable = buffer as ArrayBuffer;
    if (spareBytes + byteLength > maxSpareBytes) return resizable.resize(0);
    spareBytes += byteLength;
    const sameSize = spare.get(byteLength) ?? [];
    spare.set(byteLength, sameSize);
    sameSize.push(resizable);
  }

  return {
    lend(bytes, instead, length) {
      const size = Math.max(smallestBytes, 2 ** Math.ceil(Math.log2(bytes)));
      const allowed = size > maxSmallBytes ? maxBytes * (1 - smallShare) : maxBytes;
      if (used - instead.byteLength + size > allowed) return null;
      let lent: Uint8Array;
      if (used + spareBytes + size > maxBytes) discardSpare();
      try {
        lent = new Uint8Array(borrow(size), 0, size);
      } catch {
        return null; // the system has no more
      }
      used += size;
      lent.set(instead.subarray(0, length));
      giveBack(instead);
      return lent;
    },
    giveBack,
    get used() {
      return used;
    },
  };
}
