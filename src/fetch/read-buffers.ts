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

const bytesARead = 64 * 1024;
// Of more connections at once than usual the memory goes back to the system.
const maxSpare = 32;

export function createReadBuffers(): ReadBuffers {
  const fresh = () => new Uint8Array(bytesARead);
  const freshPair = () => [fresh(), fresh()] as const;
  const spare: ReturnType<typeof freshPair>[] = [];

  return {
    lend() {
      // By turns: what came last is taken by whoever reads the socket before the next read, but after this one.
      const buffers = spare.pop() ?? freshPair();
      let turn = 0;
      let unread = 0; // bytes that were there already when the last ones came
      let socket: Socket | null = null;
      const onread: OnReadOpts = {
        buffer() {
          turn += 1;
          // Where somebody lets what came lie, it must stay as it is.
          return unread > 0 ? fresh() : buffers[turn % 2 ? 0 : 1];
        },
        callback(length, into) {
          if (!socket) return true;
          unread = socket.readableLength;
          return socket.push(into.subarray(0, length));
        },
      };
      return {
        onread,
        feed(opened) {
          socket = opened;
          opened.once("close", () => {
            if (spare.length < maxSpare) spare.push(buffers);
          });
        },
      };
    },
  };
}
