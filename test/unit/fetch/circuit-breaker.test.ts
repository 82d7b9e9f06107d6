import { expect, test } from "vitest";
import { type Attempt, createBreaker } from "../../../src/fetch/circuit-breaker.ts";

function startBreaker(maxOrigins = 100) {
  const clock = { ms: 5000 };
  const options = { maxFailures: 3, windowMs: 60_000, openMs: 30_000, maxOrigins, now: () => clock.ms };
  const breaker = createBreaker(options);
  const fail = (origin: string, times: number) => {
    for (let time = 0; time < times; time += 1) breaker.begin(origin).failed();
  };
  return { breaker, clock, fail };
}

const shut = expect.objectContaining({ code: "source_unreachable", reason: "breaker" }) as Error;

test("consecutive failures open the breaker of that scheme, host and port alone", () => {
  const { breaker, fail } = startBreaker();
  fail("https://a", 3);
  expect(() => breaker.begin("https://a")).toThrow(shut);
  expect(() => breaker.begin("http://a")).not.toThrow();
  expect(() => breaker.begin("https://b")).not.toThrow();
});

test("a success in between resets the count of failures", () => {
  const { breaker, fail } = startBreaker();
  for (let time = 0; time < 5; time += 1) {
    fail("https://a", 2);
    breaker.begin("https://a").succeeded();
  }
  expect(() => breaker.begin("https://a")).not.toThrow();
});

test("failures that are further apart than the window do not open the breaker", () => {
  const { breaker, clock, fail } = startBreaker();
  fail("https://a", 2);
  clock.ms += 60_001;
  fail("https://a", 2);
  expect(() => breaker.begin("https://a")).not.toThrow();
});

test("an attempt without a verdict changes nothing", () => {
  const { breaker, fail } = startBreaker();
  fail("https://a", 2);
  breaker.begin("https://a")[Symbol.dispose]();
  fail("https://a", 1);
  expect(() => breaker.begin("https://a")).toThrow(shut);
});

test("a half-open breaker lets one attempt pass, and its success closes the breaker", () => {
  const { breaker, clock, fail } = startBreaker();
  fail("https://a", 3);
  clock.ms += 29_999;
  expect(() => breaker.begin("https://a")).toThrow(shut);
  clock.ms += 1;
  const trial = breaker.begin("https://a");
  expect(() => breaker.begin("https://a")).toThrow(shut);
  trial.succeeded();
  fail("https://a", 2);
  expect(() => breaker.begin("https://a")).not.toThrow();
});

test("a failed trial opens the breaker again, for as long as before", () => {
  const { breaker, clock, fail } = startBreaker();
  fail("https://a", 3);
  for (let round = 0; round < 5; round += 1) {
    clock.ms += 30_000;
    fail("https://a", 1);
    clock.ms += 29_999;
    expect(() => breaker.begin("https://a")).toThrow(shut);
    clock.ms += 1;
  }
});

test("a trial without a verdict leaves the decision to the next attempt", () => {
  const { breaker, clock, fail } = startBreaker();
  fail("https://a", 3);
  clock.ms += 30_000;
  breaker.begin("https://a")[Symbol.dispose]();
  breaker.begin("https://a").succeeded();
  expect(() => breaker.begin("https://a")).not.toThrow();
});

test("attempts from before the breaker opened add no failures, and a success among them closes it", () => {
  const { breaker, clock } = startBreaker();
  const early: Attempt[] = Array.from({ length: 6 }, () => breaker.begin("https://a"));
  for (const attempt of early.slice(0, 3)) attempt.failed();
  clock.ms += 20_000;
  for (const attempt of early.slice(3, 5)) attempt.failed();
  clock.ms += 10_000;
  const trial = breaker.begin("https://a");
  expect(() => breaker.begin("https://a")).toThrow(shut);
  trial[Symbol.dispose]();
  clock.ms -= 20_000;
  expect(() => breaker.begin("https://a")).toThrow(shut);
  early[5]!.succeeded();
  expect(() => breaker.begin("https://a")).not.toThrow();
});

test("the number of origins in memory is bounded", () => {
  const { breaker, fail } = startBreaker(2);
  fail("https://a", 3);
  fail("https://b", 1);
  expect(() => breaker.begin("https://a")).toThrow(shut);
  fail("https://c", 1);
  expect(() => breaker.begin("https://a")).not.toThrow(); // dropped: it has the oldest failure
  fail("https://c", 2);
  expect(() => breaker.begin("https://c")).toThrow(shut);
});
