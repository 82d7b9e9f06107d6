import { once } from "node:events";
import { connect, createServer, type AddressInfo, Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { createReadBuffers, type ReadBuffers } from "../../../src/fetch/read-buffers.ts";

async function connectedPair(buffers: ReadBuffers, onTestFinished: (clean: () => void) => void) {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const reading = buffers.lend();
  const { port } = server.address() as AddressInfo;
  const client = connect({ host: "127.0.0.1", port, onread: reading.onread });
  reading.feed(client);
  const [peer] = await accepted;
  onTestFinished(() => {
    for (const socket of [client, peer]) socket.destroy();
    server.close();
  });
  return { client, peer };
}

const letters = ["a", "b", "c", "d", "e"];
const pieceBytes = 1000;

test("unread bytes are not overwritten by later reads", async ({ onTestFinished }) => {
  const { client, peer } = await connectedPair(createReadBuffers(), onTestFinished);
  client.on("readable", () => null); // starts reads from the kernel, but consumes nothing
  for (const [index, letter] of letters.entries()) {
    peer.write(letter.repeat(pieceBytes));
    await vi.waitFor(() => expect(client.readableLength).toBe((index + 1) * pieceBytes), {
      interval: 1,
      timeout: 60_000,
    });
  }
  expect(String(client.read())).toBe(letters.map((letter) => letter.repeat(pieceBytes)).join(""));
});

test("a read buffer of a closed connection is reused, and the next connection sees no old bytes", async ({
  onTestFinished,
}) => {
  const buffers = createReadBuffers();
  const memory: ArrayBufferLike[][] = [];
  for (const text of ["secret", "public"]) {
    const { client, peer } = await connectedPair(buffers, onTestFinished);
    const sent = text.repeat(20_000);
    const seen: Uint8Array[] = [];
    client.on("data", (piece: Buffer) => seen.push(piece, Buffer.from(piece)));
    peer.end(sent);
    await once(client, "close");
    expect(Buffer.concat(seen.filter((_, index) => index % 2 === 1)).toString() === sent).toBe(true);
    memory.push(seen.filter(({ byteLength }) => byteLength > 4096).map(({ buffer }) => buffer));
  }
  const [first = [], second = []] = memory;
  expect(second.some((buffer) => first.includes(buffer))).toBe(true);
});

test("a connection that receives little takes little memory", async ({ onTestFinished }) => {
  const { client, peer } = await connectedPair(createReadBuffers(), onTestFinished);
  const taken = new Set<ArrayBufferLike>();
  client.on("data", ({ buffer }: Buffer) => taken.add(buffer));
  for (let piece = 1; piece <= 20; piece += 1) {
    peer.write("x");
    await vi.waitFor(() => expect(client.bytesRead).toBe(piece), { interval: 1, timeout: 60_000 });
  }
  expect([...taken].reduce((bytes, { byteLength }) => bytes + byteLength, 0)).toBeLessThanOrEqual(2 * 4096);
});

describe("the buffers of a connection", () => {
  /** Feeds a socket that is not connected, which reads what the test puts into its buffers. */
  function startReading(buffers: ReadBuffers, onTestFinished: (clean: () => void) => void) {
    const { onread, ...reading } = buffers.lend();
    const socket = new Socket();
    reading.feed(socket);
    onTestFinished(() => socket.destroy());
    const nextBuffer = () => (onread.buffer as () => Uint8Array)();
    /** Fills one read with this byte; returns the buffer. */
    function read(length: number, byte = 0): Uint8Array {
      const buffer = nextBuffer().fill(byte);
      onread.callback(length, buffer);
      return buffer;
    }
    return { socket, read };
  }

  test("reads alternate between two buffers of 4 KiB, and of 64 KiB once one is filled", async ({ onTestFinished }) => {
    const { socket, read } = startReading(createReadBuffers(), onTestFinished);
    socket.on("data", () => undefined);
    await nextTurn();
    const small = [4095, 1, 4095, 4096].map((length) => read(length));
    const large = [65_536, 65_536, 1, 65_536].map((length) => read(length));
    for (const [buffers, bytes] of [
      [small, 4096],
      [large, 65_536],
    ] as const) {
      expect(buffers.map(({ byteLength }) => byteLength)).toEqual(Array(4).fill(bytes));
      expect(buffers.map(({ buffer }) => buffer === buffers[0]!.buffer)).toEqual([true, false, true, false]);
      expect(new Set(buffers.map(({ buffer }) => buffer)).size).toBe(2);
    }
  });

  test("a single unread byte is not overwritten", ({ onTestFinished }) => {
    const { socket, read } = startReading(createReadBuffers(), onTestFinished);
    for (const byte of [1, 2, 3, 4, 5]) {
      socket.pause();
      read(1, byte);
    }
    expect([...(socket.read() as Buffer)]).toEqual([1, 2, 3, 4, 5]);
  });

  test("the large buffers of 32 closed connections are kept for the next ones, and those of more are freed", async ({
    onTestFinished,
  }) => {
    const buffers = createReadBuffers();
    /** Returns the memory of connections that fill their buffers, after all are closed. */
    async function memoryOfRound(): Promise<Set<ArrayBufferLike>> {
      const memory = new Set<ArrayBufferLike>();
      const readers = Array.from({ length: 40 }, () => startReading(buffers, onTestFinished));
      for (const { socket } of readers) socket.on("data", () => undefined);
      await nextTurn();
      for (const { read } of readers) {
        for (let round = 0; round < 4; round += 1) {
          const { buffer, byteLength } = read(4096);
          if (byteLength > 4096) memory.add(buffer);
        }
      }
      // One that has received little has no large buffers to keep.
      readers.push(startReading(buffers, onTestFinished));
      for (const { socket } of readers) socket.destroy();
      await Promise.all(readers.map(({ socket }) => once(socket, "close")));
      return memory;
    }
    const first = await memoryOfRound();
    const second = await memoryOfRound();
    expect([first.size, second.size]).toEqual([80, 80]);
    expect([...second].filter((buffer) => first.has(buffer))).toHaveLength(64);
  });
});
