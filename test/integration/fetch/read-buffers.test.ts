import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { expect, test, vi } from "vitest";
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
