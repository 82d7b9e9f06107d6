import { createSocket } from "node:dgram";
import { setMaxListeners } from "node:events";
import { describe, expect, test, vi } from "vitest";
import { createResolver, resolveTrusted } from "../../../src/fetch/resolver.ts";

type OnTestFinished = (cleanUp: () => void) => void;
type Family = "A" | "AAAA";

/** What a name server does with a question: answers with addresses, refuses, or is silent (null). */
type Answers = (name: string, family: Family) => readonly string[] | "refused" | null;

/** A name server on this machine (RFC 1035 4.1), as much of one as these tests need. */
async function startNameServer(onTestFinished: OnTestFinished, answers: Answers) {
  const socket = createSocket("udp4");
  let questions = 0;
  socket.on("message", (message, from) => {
    questions += 1;
    const labels: string[] = [];
    let at = 12;
    for (; message[at] !== 0; at += 1 + (message[at] ?? 0))
      labels.push(message.toString("latin1", at + 1, at + 1 + (message[at] ?? 0)));
    const question = message.subarray(12, at + 5);
    const answer = answers(labels.join("."), message.readUInt16BE(at + 1) === 1 ? "A" : "AAAA");
    if (answer === null) return;
    const records =
      answer === "refused" ? [] : answer.map((address) => record(question.readUInt16BE(question.length - 4), address));
    const head = Buffer.from(message.subarray(0, 12));
    head.writeUInt16BE(answer === "refused" ? 0x8185 : 0x8180, 2);
    head.writeUInt16BE(records.length, 6);
    head.fill(0, 8);
    socket.send(Buffer.concat([head, question, ...records]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  onTestFinished(() => socket.close());
  return {
    servers: [`127.0.0.1:${socket.address().port}`],
    get questions() {
      return questions;
    },
  };
}

function record(type: number, address: string): Buffer {
  const bytes = address.includes(":")
    ? Buffer.from(
        address
          .split(":")
          .map((part) => part.padStart(4, "0"))
          .join(""),
        "hex",
      )
    : Buffer.from(address.split(".").map(Number));
  const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, bytes.length]);
  return Buffer.concat([head, bytes]);
}

const never = new AbortController().signal;
setMaxListeners(1000, never); // hundreds of lookups share it

describe("the resolver", () => {
  test("gives the addresses of both families", async ({ onTestFinished }) => {
    const { servers } = await startNameServer(onTestFinished, (_name, family) =>
      family === "A" ? ["192.0.2.1", "192.0.2.2"] : ["2001:db8:0:0:0:0:0:1"],
    );
    const addresses = await createResolver({ timeoutMs: 5000, servers })("media.example.net", never);
    expect(addresses.sort()).toEqual(["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
  });

  test.for(["A", "AAAA"] as const)("a name that only has %s has addresses", async (has, { onTestFinished }) => {
    const answer = { A: ["192.0.2.1"], AAAA: ["2001:db8:0:0:0:0:0:1"] }[has];
    for (const other of [[], "refused"] as const) {
      const { servers } = await startNameServer(onTestFinished, (_name, family) => (family === has ? answer : other));
      expect(await createResolver({ timeoutMs: 5000, servers })("media.example.net", never)).toHaveLength(1);
    }
  });

  test("a family that is silent holds up the other for a moment only", async ({ onTestFinished }) => {
    const { servers } = await startNameServer(onTestFinished, (_name, family) =>
      family === "A" ? ["192.0.2.1"] : null,
    );
    const before = performance.now();
    expect(await createResolver({ timeoutMs: 5000, servers })("media.example.net", never)).toEqual(["192.0.2.1"]);
    expect(performance.now() - before).toBeLessThan(2000);
  });

  test.for([[], "refused"] as const)(
    "a name without addresses is unreachable by name",
    async (answer, { onTestFinished }) => {
      const { servers } = await startNameServer(onTestFinished, () => answer);
      await expect(createResolver({ timeoutMs: 5000, servers })("media.example.net", never)).rejects.toMatchObject({
        code: "source_unreachable",
        reason: "name",
      });
    },
  );

  test("a silent name server is given up at the timeout", async ({ onTestFinished }) => {
    const { servers } = await startNameServer(onTestFinished, () => null);
    const before = performance.now();
    await expect(createResolver({ timeoutMs: 200, servers })("media.example.net", never)).rejects.toMatchObject({
      code: "source_unreachable",
      reason: "name",
    });
    expect(performance.now() - before).toBeLessThan(1000);
  });

  test("the signal ends a lookup at once", async ({ onTestFinished }) => {
    const { servers } = await startNameServer(onTestFinished, () => null);
    await expect(
      createResolver({ timeoutMs: 10_000, servers })("media.example.net", AbortSignal.timeout(50)),
    ).rejects.toMatchObject({ code: "source_unreachable", reason: "timeout" });
  });

  test("hundreds of silent names do not hold up one that answers", async ({ onTestFinished }) => {
    const nameServer = await startNameServer(onTestFinished, (name) =>
      name.startsWith("silent") ? null : ["192.0.2.1"],
    );
    const resolve = createResolver({ timeoutMs: 3000, servers: nameServer.servers });
    const silent = Array.from({ length: 500 }, (_, index) =>
      resolve(`silent${index}.example.net`, never).catch(() => null),
    );
    await vi.waitFor(() => expect(nameServer.questions).toBeGreaterThan(200), { timeout: 5000 });
    const before = performance.now();
    await resolve("media.example.net", never);
    expect(performance.now() - before).toBeLessThan(1000);
    expect(await Promise.all(silent)).toEqual(silent.map(() => null));
  });

  test("the end of one lookup is not the end of another", async ({ onTestFinished }) => {
    const { servers } = await startNameServer(onTestFinished, (name) =>
      name.startsWith("silent") ? null : ["192.0.2.1"],
    );
    const resolve = createResolver({ timeoutMs: 5000, servers });
    const leaver = new AbortController();
    const silent = resolve("silent.example.net", leaver.signal);
    const other = resolve("media.example.net", never);
    leaver.abort();
    await expect(silent).rejects.toMatchObject({ reason: "timeout" });
    expect(await other).toEqual(["192.0.2.1"]);
  });

  test("the names of the hosts file are not for strangers", async ({ onTestFinished }) => {
    const nameServer = await startNameServer(onTestFinished, () => []);
    await expect(
      createResolver({ timeoutMs: 2000, servers: nameServer.servers })("localhost", never),
    ).rejects.toMatchObject({
      reason: "name",
    });
  });
});

describe("the operator's own names", () => {
  test("are resolved as the system does it", async () => {
    expect(await resolveTrusted("localhost", never)).toContain("127.0.0.1");
  });

  test("that do not exist are unreachable by name", async () => {
    await expect(resolveTrusted("a name that cannot be", never)).rejects.toMatchObject({ reason: "name" });
  });
});
