import { pino } from "pino";
import { expect, test, vi } from "vitest";
import { connectionLimitOf, createDropReport } from "../../../src/http/connection-limit.ts";

const use = { fetches: 64, workers: 6 };

test("connections get the descriptors that fetches, workers and the program do not need", () => {
  expect(connectionLimitOf(4096, use)).toEqual({
    maxConnections: 4096 - (64 + 64 * 5 + 6 * 2),
    maxDescriptors: 4096,
    reservedDescriptors: 396,
  });
});

test("connections are bounded by memory if there is no descriptor limit", () => {
  expect(connectionLimitOf(Infinity, use).maxConnections).toBe(10_000);
  expect(connectionLimitOf(1_048_576, use).maxConnections).toBe(10_000);
});

test("a quarter of the descriptors is for connections when the reserve cannot be kept", () => {
  expect(connectionLimitOf(400, use).maxConnections).toBe(100);
  expect(connectionLimitOf(64, use).maxConnections).toBe(16);
  expect(connectionLimitOf(20_000, { fetches: 10_000, workers: 6 }).maxConnections).toBe(5000);
});

test("the connection limit is at least 1, because Node treats 0 as unlimited", () => {
  expect(connectionLimitOf(3, use).maxConnections).toBe(1);
});

test("closed connections are logged at the first one, then once a minute with their number", ({ onTestFinished }) => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const lines: string[] = [];
  const logger = pino({}, { write: (line: string) => lines.push((JSON.parse(line) as { msg: string }).msg) });
  const report = createDropReport(100, logger);
  for (let count = 0; count < 8; count += 1) report();
  expect(lines).toEqual(["closed 1 connection(s) above the limit of 100"]);
  vi.advanceTimersByTime(60_000);
  expect(lines.splice(0).slice(1)).toEqual(["closed 7 connection(s) above the limit of 100"]);
  vi.advanceTimersByTime(600_000);
  expect(lines).toEqual([]);
  report();
  expect(lines).toEqual(["closed 1 connection(s) above the limit of 100"]);
});
