import type { OnReadOpts, Socket } from "node:net";

/** What `net.connect` takes to read into lent memory, and what ties that to the socket which it gives. */
export interface Reading {
  readonly onread: OnReadOpts;
  /** To be called with the socket, before anything can have come. */
  feed(socket: Socket): void;
}

/**
 * Lends connections the memory that they read into.
 *
 * By itself Node takes 64 KiB of fresh memory for each read, however little comes. After a thousand reads that is as
 * much as V8 allows before it collects garbage: a third of the time that a lookup took here.
 */
export interface ReadBuffers {
  lend(): Reading;
}

// At first, and for as long as so little comes at a time: a thousand dripping bodies shall not take much.
const smallBytes = 4 * 1024;
const largeBytes = 64 * 1024;
// Of more connections at once than usual the memory goes back to the system.
const maxSpare = 32;

type Pair = readonly [Uint8Array, Uint8Array];
const pair = (bytes: number): Pair => [new Uint8Array(bytes), new Uint8Array(bytes)];

export function createReadBuffers(): ReadBuffers {
  const spare: Pair[] = []; // large ones

  return {
    lend() {
      let buffers = pair(smallBytes);
      let large: Pair | null = null;
      let turn = 0;
      let unread = 0; // bytes that were there already when the last ones came
      let socket: Socket | null = null;
      const onread: OnReadOpts = {
        buffer() {
          // Where somebody lets what came lie, it must stay as it is.
          if (unread > 0) return new Uint8Array(smallBytes);
          // By turns: what came last is taken by whoever reads the socket before the next read, but after this.
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
