import dns from "node:dns";
import { connect, type Socket } from "node:net";
import { expect, test, vi } from "vitest";
import { connectionLimitOf } from "../../../src/http/connection-limit.ts";
import { described, type RunningApp, startApp } from "./app.ts";

type OnFinished = (end: () => Promise<void> | void) => void;

const maxConnections = 5;
// The fewest descriptors that leave 5 connections; too few to keep the reserve.
const connectionLimit = connectionLimitOf(20, { fetches: 1, workers: 1 });

async function openApp(onFinished: OnFinished, host?: string): Promise<RunningApp> {
  const app = await startApp(() => described(), { connectionLimit, ...(host !== undefined && { host }) });
  onFinished(() => app.close());
  return app;
}

/** Opens silent connections one after another; resolves with the open ones when each is open or closed. */
async function openIdle(onFinished: OnFinished, port: number, host: string, count: number): Promise<Set<Socket>> {
  const open = new Set<Socket>();
  for (let index = 0; index < count; index += 1) {
    const socket = connect(port, host).resume();
    onFinished(() => void socket.destroy());
    open.add(socket);
    socket.on("error", () => undefined).on("close", () => open.delete(socket));
  }
  await vi.waitFor(() => expect(open.size).toBeLessThanOrEqual(maxConnections), 5000);
  return open;
}

test("connections above the limit are closed and logged once a minute, with their number", async ({
  onTestFinished,
}) => {
  expect(connectionLimit.maxConnections).toBe(maxConnections);
  const app = await openApp(onTestFinished);
  const open = await openIdle(onTestFinished, app.port, "127.0.0.1", 12);
  expect(open.size).toBe(maxConnections);
  expect(app.log().match(/above the limit/g)).toHaveLength(1);
});

test("connections that closed make room for new ones", async ({ onTestFinished }) => {
  const app = await openApp(onTestFinished);
  const open = await openIdle(onTestFinished, app.port, "127.0.0.1", 12);
  for (const socket of open) socket.destroy();
  await expect
    .poll(() =>
      fetch(`${app.url}/healthz`, { signal: AbortSignal.timeout(1000) }).then(
        ({ status }) => status,
        () => 0,
      ),
    )
    .toBe(200);
});

test("a service that starts logs its limit, and warns when the descriptors are too few", async ({ onTestFinished }) => {
  const app = await openApp(onTestFinished);
  expect(app.startLog).toContain("accepts at most 5 connections at once");
  expect(app.startLog).toContain("the limit of open files is 20, and these settings need 95");
});

test("the log of the start has the numbers of the limit, and a warning only below the descriptors that are enough", async ({
  onTestFinished,
}) => {
  const startWith = async (maxDescriptors: number) => {
    const limit = connectionLimitOf(maxDescriptors, { fetches: 1, workers: 1 });
    const app = await startApp(() => described(), { connectionLimit: limit });
    onTestFinished(() => app.close());
    const lines = app.startLog.trim().split("\n");
    return lines.map((line) => JSON.parse(line) as unknown);
  };
  expect(await startWith(95)).toEqual([expect.objectContaining({ level: 30, maxConnections: 24, descriptors: 95 })]);
  expect(await startWith(94)).toEqual([
    expect.objectContaining({ level: 30, maxConnections: 23, descriptors: 94 }),
    expect.objectContaining({ level: 40, descriptors: 94, enough: 95 }),
  ]);
  expect(await startWith(Infinity)).toEqual([
    expect.objectContaining({ level: 30, maxConnections: 10_000, descriptors: null }),
  ]);
});

test("connections are bounded without a descriptor limit too, and no warning is logged", async ({ onTestFinished }) => {
  const app = await startApp(() => described());
  onTestFinished(() => app.close());
  expect(app.startLog).toContain("accepts at most 10000 connections at once");
  expect(app.startLog).not.toContain("open files");
});

test("localhost with two addresses has the limit of one: it is divided among them", async ({ onTestFinished }) => {
  const addresses = [
    { address: "127.0.0.1", family: 4 },
    { address: "::1", family: 6 },
  ];
  const spy = vi.spyOn(dns, "lookup").mockImplementation((...args: unknown[]) => {
    const answer = args.pop() as (...answer: unknown[]) => void;
    if ((args[1] as { all?: boolean } | undefined)?.all) answer(null, addresses);
    else answer(null, args[0] === "::1" ? "::1" : "127.0.0.1", args[0] === "::1" ? 6 : 4);
  });
  onTestFinished(() => spy.mockRestore());
  const app = await openApp(onTestFinished, "localhost");
  for (const { address } of addresses) {
    const open = await openIdle(onTestFinished, app.port, address, 12);
    await vi.waitFor(() => expect(open.size).toBeLessThanOrEqual(3), 60_000);
  }
});
