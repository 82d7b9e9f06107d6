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

test("what nobody has taken yet is not written over by what comes after", async ({ onTestFinished }) => {
  const { client, peer } = await connectedPair(createReadBuffers(), onTestFinished);
  client.on("readable", () => null); // reads from the kernel, and leaves it all lying
  for (const [index, letter] of letters.entries()) {
    peer.write(letter.repeat(pieceBytes));
    await vi.waitFor(() => expect(client.readableLength).toBe((index + 1) * pieceBytes), { interval: 1 });
  }
  expect(String(client.read())).toBe(letters.map((letter) => letter.repeat(pieceBytes)).join(""));
});

test("a connection that is over lends its memory to the next, and sees nothing of it", async ({ onTestFinished }) => {
  const buffers = createReadBuffers();
  const first = await connectedPair(buffers, onTestFinished);
  first.peer.end("secret ".repeat(1000));
  const [seen] = (await once(first.client, "data")) as [Buffer];
  expect(String(seen.subarray(0, 6))).toBe("secret");
  await once(first.client, "close");
  const second = await connectedPair(buffers, onTestFinished);
  second.peer.end("short");
  const [piece] = (await once(second.client, "data")) as [Buffer];
  expect([piece.buffer === seen.buffer, String(piece)]).toEqual([true, "short"]);
});
