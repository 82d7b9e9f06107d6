import { expect, test } from "vitest";
import { type Attempt, createHostHealth, hostHealthLimits } from "../../../src/fetch/host-health.ts";

const startDate = Date.parse("Tue, 10 Jun 2025 12:00:00 GMT");

function start(maxOrigins = 100) {
  const clock = { ms: 5000 };
  const health = createHostHealth({
    maxFailures: 3,
    windowMs: 60_000,
    openMs: 30_000,
    defaultBackoffMs: 60_000,
    maxBackoffMs: 3_600_000,
    maxOrigins,
    now: () => clock.ms,
    epochNow: () => startDate + clock.ms - 5000,
  });
  const fail = (origin: string, times: number) => {
    for (let time = 0; time < times; time += 1) health.beginConnection(origin).failed();
  };
  return { health, clock, fail };
}

const isOpen = expect.objectContaining({ code: "source_unreachable", reason: "breaker" }) as Error;
const isPaused = expect.objectContaining({ code: "source_status" }) as Error;

test("consecutive failures open the breaker of that scheme, host and port alone", () => {
  const { health, fail } = start();
  fail("https://a", 3);
  expect(() => health.beginConnection("https://a")).toThrow(isOpen);
  expect(() => health.beginConnection("http://a")).not.toThrow();
  expect(() => health.beginConnection("https://b")).not.toThrow();
});

test("a success in between resets the count of failures", () => {
  const { health, fail } = start();
  for (let time = 0; time < 5; time += 1) {
    fail("https://a", 2);
    health.beginConnection("https://a").succeeded();
  }
  expect(() => health.beginConnection("https://a")).not.toThrow();
});

test("failures that are further apart than the window do not open the breaker", () => {
  const { health, clock, fail } = start();
  fail("https://a", 2);
  clock.ms += 60_001;
  fail("https://a", 2);
  expect(() => health.beginConnection("https://a")).not.toThrow();
});

test("failures within the window open the breaker, and the window begins with the first of them", () => {
  const { health, clock, fail } = start();
  fail("https://a", 1);
  clock.ms += 30_000;
  fail("https://a", 1);
  clock.ms += 30_000;
  fail("https://a", 1);
  expect(() => health.beginConnection("https://a")).toThrow(isOpen);
  fail("https://b", 1);
  clock.ms += 30_000;
  fail("https://b", 1);
  clock.ms += 30_001;
  fail("https://b", 1);
  expect(() => health.beginConnection("https://b")).not.toThrow();
});

test("only the first verdict of an attempt counts", () => {
  const { health, fail } = start();
  fail("https://a", 1);
  const attempt = health.beginConnection("https://a");
  for (let time = 0; time < 3; time += 1) attempt.failed();
  expect(() => health.beginConnection("https://a")).not.toThrow();
  fail("https://a", 1);
  attempt.succeeded();
  expect(() => health.beginConnection("https://a")).toThrow(isOpen);
});

test("the second verdict of an earlier trial does not end a later trial", () => {
  const { health, clock, fail } = start();
  fail("https://a", 3);
  clock.ms += 30_000;
  const first = health.beginConnection("https://a");
  first[Symbol.dispose]();
  health.beginConnection("https://a");
  first[Symbol.dispose]();
  expect(() => health.beginConnection("https://a")).toThrow(isOpen);
});

test("an attempt without a verdict changes nothing", () => {
  const { health, fail } = start();
  fail("https://a", 2);
  health.beginConnection("https://a")[Symbol.dispose]();
  fail("https://a", 1);
  expect(() => health.beginConnection("https://a")).toThrow(isOpen);
});

test("a half-open breaker lets one attempt pass, and its success closes the breaker", () => {
  const { health, clock, fail } = start();
  fail("https://a", 3);
  clock.ms += 29_999;
  expect(() => health.beginConnection("https://a")).toThrow(isOpen);
  clock.ms += 1;
  const trial = health.beginConnection("https://a");
  expect(() => health.beginConnection("https://a")).toThrow(isOpen);
  trial.succeeded();
  fail("https://a", 2);
  expect(() => health.beginConnection("https://a")).not.toThrow();
});

test("a failed trial opens the breaker again, for as long as before", () => {
  const { health, clock, fail } = start();
  fail("https://a", 3);
  for (let round = 0; round < 5; round += 1) {
    clock.ms += 30_000;
    fail("https://a", 1);
    clock.ms += 29_999;
    expect(() => health.beginConnection("https://a")).toThrow(isOpen);
    clock.ms += 1;
  }
});

test("a trial without a verdict leaves the decision to the next attempt", () => {
  const { health, clock, fail } = start();
  fail("https://a", 3);
  clock.ms += 30_000;
  health.beginConnection("https://a")[Symbol.dispose]();
  health.beginConnection("https://a").succeeded();
  expect(() => health.beginConnection("https://a")).not.toThrow();
});

test("attempts from before the breaker opened add no failures, and a success among them closes it", () => {
  const { health, clock } = start();
  const early: Attempt[] = Array.from({ length: 6 }, () => health.beginConnection("https://a"));
  for (const attempt of early.slice(0, 3)) attempt.failed();
  clock.ms += 20_000;
  for (const attempt of early.slice(3, 5)) attempt.failed();
  clock.ms += 10_000;
  const trial = health.beginConnection("https://a");
  expect(() => health.beginConnection("https://a")).toThrow(isOpen);
  trial[Symbol.dispose]();
  clock.ms -= 20_000;
  expect(() => health.beginConnection("https://a")).toThrow(isOpen);
  early[5]!.succeeded();
  expect(() => health.beginConnection("https://a")).not.toThrow();
});

test.for<[retryAfter: string | null, seconds: number]>([
  [null, 60],
  ["120", 120],
  ["0", 1],
  ["Tue, 10 Jun 2025 12:05:00 GMT", 300],
  ["Tue, 10 Jun 2025 11:00:00 GMT", 1],
  ["86400", 3600],
  ["9".repeat(400), 3600],
  ["Fri, 01 Jan 9999 00:00:00 GMT", 3600],
  ["soon", 60],
  ["-5 seconds", 60],
  ["", 60],
])("Retry-After: %s begins a backoff of %i seconds", ([retryAfter, seconds]) => {
  const { health, clock } = start();
  expect(health.backOff("https://a", 503, retryAfter)).toBe(seconds * 1000);
  clock.ms += seconds * 1000 - 1;
  const paused = expect.objectContaining({ code: "source_status", upstreamStatus: 503, retryAfterMs: 1 }) as Error;
  expect(() => health.beginConnection("https://a")).toThrow(paused);
  clock.ms += 1;
  expect(() => health.beginConnection("https://a")).not.toThrow();
});

test("a Retry-After backoff applies to one scheme, host and port only", () => {
  const { health } = start();
  health.backOff("https://a", 429, "60");
  for (const origin of ["https://b", "http://a"]) expect(() => health.beginConnection(origin)).not.toThrow();
});

test("an attempt from before the backoff does not end it, whether it succeeds or fails", () => {
  const { health } = start();
  const attempts = [health.beginConnection("https://a"), health.beginConnection("https://a")];
  health.backOff("https://a", 429, "60");
  attempts[0]!.failed();
  expect(() => health.beginConnection("https://a")).toThrow(isPaused);
  attempts[1]!.succeeded();
  expect(() => health.beginConnection("https://a")).toThrow(isPaused);
});

test("the end of a backoff does not reset the failures of the origin", () => {
  const { health, clock, fail } = start();
  fail("https://a", 2);
  health.backOff("https://a", 503, "10");
  clock.ms += 10_000;
  fail("https://a", 1);
  expect(() => health.beginConnection("https://a")).toThrow(isOpen);
});

test("the number of unhealthy origins in memory is bounded: those with the oldest events are dropped", () => {
  const { health, fail } = start(3);
  health.backOff("https://a", 503, null);
  fail("https://b", 3);
  health.backOff("https://c", 503, null);
  health.backOff("https://a", 503, null);
  fail("https://d", 3);
  expect(() => health.beginConnection("https://b")).not.toThrow(); // dropped
  expect(() => health.beginConnection("https://a")).toThrow(isPaused);
  expect(() => health.beginConnection("https://c")).toThrow(isPaused);
  expect(() => health.beginConnection("https://d")).toThrow(isOpen);
});

test("an origin whose backoff is over takes no memory from unhealthy ones", () => {
  const { health, clock } = start(2);
  health.backOff("https://a", 503, "60");
  health.backOff("https://b", 503, "10");
  clock.ms += 10_000;
  health.beginConnection("https://b")[Symbol.dispose]();
  health.backOff("https://c", 503, "60");
  expect(() => health.beginConnection("https://a")).toThrow(isPaused);
});

test("healthy origins take no memory from unhealthy ones", () => {
  const { health } = start(1);
  health.backOff("https://a", 503, null);
  for (const origin of ["https://b", "https://c"]) health.beginConnection(origin).succeeded();
  expect(() => health.beginConnection("https://a")).toThrow(isPaused);
});

test("by default ten failures within a minute open the breaker for half a minute, of at most 4,096 origins", () => {
  const clock = { ms: 0 };
  const health = createHostHealth({
    ...hostHealthLimits,
    defaultBackoffMs: 60_000,
    now: () => clock.ms,
    epochNow: () => startDate,
  });
  const fail = (origin: string) => health.beginConnection(origin).failed();
  for (let time = 0; time < 9; time += 1) fail("https://a");
  for (let time = 0; time < 9; time += 1) fail("https://b");
  clock.ms += 60_000;
  fail("https://a");
  expect(() => health.beginConnection("https://a")).toThrow(isOpen);
  clock.ms += 1;
  fail("https://b");
  expect(() => health.beginConnection("https://b")).not.toThrow();
  clock.ms += 29_998;
  expect(() => health.beginConnection("https://a")).toThrow(isOpen);
  clock.ms += 1;
  health.beginConnection("https://a").succeeded();
  expect(health.backOff("https://0", 503, "3601")).toBe(3_600_000);
  for (let host = 1; host < 4096; host += 1) health.backOff(`https://${host}`, 503, null);
  expect(() => health.beginConnection("https://0")).toThrow(isPaused);
  health.backOff("https://4096", 503, null);
  expect(() => health.beginConnection("https://0")).not.toThrow();
  expect(() => health.beginConnection("https://1")).toThrow(isPaused);
});
