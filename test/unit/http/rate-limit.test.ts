import type { FastifyRequest } from "fastify";
import { describe, expect, test } from "vitest";
import { createAddressOf } from "../../../src/http/client-address.ts";
import { addressAccount, type Count, createRateLimit } from "../../../src/http/rate-limit.ts";

const url = new URL("https://upload.example.org/a");
const target = { href: url.href, url, via: null };

const addressOf = createAddressOf(null);

const from = (remoteAddress: string, account?: string): FastifyRequest => {
  const request: unknown = { socket: { remoteAddress }, client: account === undefined ? null : { name: "a", account } };
  return request as FastifyRequest;
};

test.for([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::6", "2001:db8:1:2::/64"],
  ["2001:db8::6", "2001:db8:0:0::/64"],
  ["2001::2:3:4:5:6", "2001:0:0:2::/64"],
  ["1::", "1:0:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["::", "0:0:0:0::/64"],
  ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["", ""],
])("the address %s is counted as %s", ([address, account]) => {
  expect(addressAccount(address!)).toBe(account);
});

test("lookups above the rate limit are rejected until the minute is over", () => {
  let time = 1000;
  const ask = createRateLimit({ perMinute: 2, isCached: () => false, together: null, addressOf, now: () => time });
  const request = from("192.0.2.1");
  expect([ask(request, target), ask(request, target)]).toEqual([null, null]);
  time += 18_500;
  const policy = '"client";q=2;w=60';
  expect(ask(request, target)).toEqual({ retryAfter: "42", rateLimit: '"client";r=0;t=42', policy });
  time += 41_499;
  expect(ask(request, target)).toEqual({ retryAfter: "1", rateLimit: '"client";r=0;t=1', policy });
  time += 1;
  expect([ask(request, target), ask(request, target)]).toEqual([null, null]);
  expect(ask(request, target)).not.toBeNull();
});

test("each token has its own quota at any address, and each address without a token has its own", () => {
  const ask = createRateLimit({ perMinute: 1, isCached: () => false, together: null, addressOf, now: () => 0 });
  expect(ask(from("192.0.2.1"), target)).toBeNull();
  expect(ask(from("192.0.2.2"), target)).toBeNull();
  expect(ask(from("192.0.2.1", "name a"), target)).toBeNull();
  expect(ask(from("192.0.2.1", "name b"), target)).toBeNull();
  expect(ask(from("192.0.2.3", "name b"), target)).not.toBeNull();
  expect(ask(from("::ffff:192.0.2.1"), target)).not.toBeNull();
});

test("the rate limit stores at most 20,000 clients", () => {
  let time = 0;
  const ask = createRateLimit({ perMinute: 1, isCached: () => false, together: null, addressOf, now: () => time });
  const first = from("first");
  expect(ask(first, target)).toBeNull();
  for (let count = 1; count < 20_000; count += 1) void ask(from(`other ${count}`), target);
  expect(ask(first, target)).not.toBeNull();
  void ask(from("one more"), target);
  expect(ask(first, target)).toBeNull(); // evicted, as the oldest
  time += 60_000;
  expect(ask(from("other 1"), target)).toBeNull();
});

describe("shared counts of replicas", () => {
  const together = (answers: (Count | null)[], isCached = false) => {
    const asked: unknown[] = [];
    const count = (...question: unknown[]) => {
      asked.push(question);
      return Promise.resolve(answers.shift() ?? null);
    };
    return { asked, together: { isCached: () => Promise.resolve(isCached), count } };
  };
  const limits = { perMinute: 2, isCached: () => false, addressOf, now: () => 0 };

  test("replicas with a shared count reject above their total", async () => {
    const others = together([
      { used: 2, leftMs: 41_000 },
      { used: 3, leftMs: 40_500 },
    ]);
    const ask = createRateLimit({ ...limits, together: others.together });
    expect(await ask(from("192.0.2.1"), target)).toBeNull();
    expect(await ask(from("192.0.2.1"), target)).toMatchObject({ retryAfter: "41" });
    expect(others.asked).toEqual([
      ["192.0.2.1", 60_000],
      ["192.0.2.1", 60_000],
    ]);
  });

  test("each replica counts by itself while the shared count is unavailable", async () => {
    const ask = createRateLimit({ ...limits, together: together([]).together });
    const refusals = [];
    for (let time = 0; time < 3; time += 1) refusals.push(await ask(from("192.0.2.1"), target));
    expect(refusals).toEqual([null, null, expect.objectContaining({ retryAfter: "60" })]);
  });

  test("hits of the shared cache are not counted", async () => {
    const others = together([{ used: 100, leftMs: 1 }], true);
    const ask = createRateLimit({ ...limits, together: others.together });
    expect(await ask(from("192.0.2.1"), target)).toBeNull();
    expect(others.asked).toEqual([]);
  });
});
