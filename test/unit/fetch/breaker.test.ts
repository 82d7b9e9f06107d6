import { expect, test } from "vitest";
import { type Attempt, createBreaker } from "../../../src/fetch/breaker.ts";

function startBreaker(maxHosts = 100) {
  const clock = { ms: 5000 };
  const options = { maxFailures: 3, windowMs: 60_000, openMs: 30_000, maxHosts, now: () => clock.ms };
  const breaker = createBreaker(options);
  const fail = (host: string, times: number) => {
    for (let time = 0; time < times; time += 1) breaker.begin(host).failed();
  };
  return { breaker, clock, fail };
}

const shut = expect.objectContaining({ code: "source_unreachable", reason: "breaker" }) as Error;

test("a host that fails so often in a row is left alone, and no other", () => {
  const { breaker, fail } = startBreaker();
  fail("a:443", 3);
  expect(() => breaker.begin("a:443")).toThrow(shut);
  expect(() => breaker.begin("a:80")).not.toThrow();
  expect(() => breaker.begin("b:443")).not.toThrow();
});

test("any answer in between begins the row anew", () => {
  const { breaker, fail } = startBreaker();
  for (let time = 0; time < 5; time += 1) {
    fail("a:443", 2);
    breaker.begin("a:443").answered();
  }
  expect(() => breaker.begin("a:443")).not.toThrow();
});

test("failures that lie far apart are no row", () => {
  const { breaker, clock, fail } = startBreaker();
  fail("a:443", 2);
  clock.ms += 60_001;
  fail("a:443", 2);
  expect(() => breaker.begin("a:443")).not.toThrow();
});

test("an attempt that tells nothing changes nothing", () => {
  const { breaker, fail } = startBreaker();
  fail("a:443", 2);
  breaker.begin("a:443")[Symbol.dispose]();
  fail("a:443", 1);
  expect(() => breaker.begin("a:443")).toThrow(shut);
});

test("after its time one attempt is let through, and an answer opens the way", () => {
  const { breaker, clock, fail } = startBreaker();
  fail("a:443", 3);
  clock.ms += 29_999;
  expect(() => breaker.begin("a:443")).toThrow(shut);
  clock.ms += 1;
  const trial = breaker.begin("a:443");
  expect(() => breaker.begin("a:443")).toThrow(shut);
  trial.answered();
  fail("a:443", 2);
  expect(() => breaker.begin("a:443")).not.toThrow();
});

test("an attempt that fails too shuts it again, for as long", () => {
  const { breaker, clock, fail } = startBreaker();
  fail("a:443", 3);
  for (let round = 0; round < 5; round += 1) {
    clock.ms += 30_000;
    fail("a:443", 1);
    clock.ms += 29_999;
    expect(() => breaker.begin("a:443")).toThrow(shut);
    clock.ms += 1;
  }
});

test("an attempt that tells nothing leaves the next one to decide", () => {
  const { breaker, clock, fail } = startBreaker();
  fail("a:443", 3);
  clock.ms += 30_000;
  breaker.begin("a:443")[Symbol.dispose]();
  breaker.begin("a:443").answered();
  expect(() => breaker.begin("a:443")).not.toThrow();
});

test("attempts that began before count once, and an answer among them opens the way", () => {
  const { breaker, clock } = startBreaker();
  const early: Attempt[] = Array.from({ length: 6 }, () => breaker.begin("a:443"));
  for (const attempt of early.slice(0, 3)) attempt.failed();
  clock.ms += 20_000;
  for (const attempt of early.slice(3, 5)) attempt.failed();
  clock.ms += 10_000;
  const trial = breaker.begin("a:443");
  expect(() => breaker.begin("a:443")).toThrow(shut);
  trial[Symbol.dispose]();
  clock.ms -= 20_000;
  expect(() => breaker.begin("a:443")).toThrow(shut);
  early[5]!.answered();
  expect(() => breaker.begin("a:443")).not.toThrow();
});

test("no number of names makes it remember more than its bound", () => {
  const { breaker, fail } = startBreaker(2);
  fail("a:443", 3);
  fail("b:443", 1);
  expect(() => breaker.begin("a:443")).toThrow(shut);
  fail("c:443", 1);
  expect(() => breaker.begin("a:443")).not.toThrow(); // forgotten, as the one that failed least lately
  fail("c:443", 2);
  expect(() => breaker.begin("c:443")).toThrow(shut);
});
