import type { OnReadOpts, Socket } from "node:net";

/** The `onread` option of `net.connect`, which reads into lent memory, and its link to the socket. */
export interface Reading {
  readonly onread: OnReadOpts;
  /** Must be called with the socket before the first data can arrive. */
  feed(socket: Socket): void;
}

/**
 * Lends connections their read buffers.
 *
 * By default Node allocates 64 KiB for each read, however small. A thousand reads reach V8's limit for a garbage
 * collection, which took a third of the time of a lookup here.
 */
export interface ReadBuffers {
  lend(): Reading;
}

// The first size, until a read fills it: a thousand dripping bodies must not take much memory.
const smallBytes = 4 * 1024;
const largeBytes = 64 * 1024;
// Buffers beyond this number, from a peak of connections, go back to the system.
const maxSpare = 32;

type Pair = readonly [Uint8Array, Uint8Array];
const pair = (bytes: number): Pair => [new Uint8Array(bytes), new Uint8Array(bytes)];

export function createReadBuffers(): ReadBuffers {
  const spare: Pair[] = []; // large buffers

  return {
    lend() {
      let buffers = pair(smallBytes);
      let large: Pair | null = null;
      let turn = 0;
      let unread = 0; // bytes that were still unread at the last read
      let socket: Socket | null = null;
      const onread: OnReadOpts = {
        buffer() {
          // Unread bytes must not be overwritten.
          if (unread > 0) return new Uint8Array(smallBytes);
          // Alternates: the consumer takes the last chunk after this call, but before the next one.
          turn = 1 - turn;
          return turn === 0 ? buffers[0] : buffers[1];
        },
        callback(length, into) {
          if (!socket) return true;
          unread = socket.readableLength;
          if (!large && length === into.length) buffers = large = spare.pop() ?? pair(largeBytes);
          return socket.push(into.subarray(0, length));
        },
      };
      return {
        onread,
        feed(opened) {
          socket = opened;
          opened.once("close", () => {
            if (large && spare.length < maxSpare) spare.push(large);
          });
        },
      };
    },
  };
}
