import type { FastifyRequest } from "fastify";
import { expect, test } from "vitest";
import { addressAccount, createRateLimit } from "../../../src/http/rate-limit.ts";

const url = new URL("https://upload.example.org/a");
const target = { href: url.href, url, via: null };

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

test("so many in a minute, then none until it is over", () => {
  let time = 1000;
  const ask = createRateLimit({ perMinute: 2, isRemembered: () => false, now: () => time });
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

test("each token has a quota of its own, wherever it comes from, and so has each address", () => {
  const ask = createRateLimit({ perMinute: 1, isRemembered: () => false, now: () => 0 });
  expect(ask(from("192.0.2.1"), target)).toBeNull();
  expect(ask(from("192.0.2.2"), target)).toBeNull();
  expect(ask(from("192.0.2.1", "name a"), target)).toBeNull();
  expect(ask(from("192.0.2.1", "name b"), target)).toBeNull();
  expect(ask(from("192.0.2.3", "name b"), target)).not.toBeNull();
  expect(ask(from("::ffff:192.0.2.1"), target)).not.toBeNull();
});

test("no number of addresses makes it remember more than 20,000", () => {
  let time = 0;
  const ask = createRateLimit({ perMinute: 1, isRemembered: () => false, now: () => time });
  const first = from("first");
  expect(ask(first, target)).toBeNull();
  for (let count = 1; count < 20_000; count += 1) ask(from(`other ${count}`), target);
  expect(ask(first, target)).not.toBeNull();
  ask(from("one more"), target);
  expect(ask(first, target)).toBeNull(); // forgotten, as the oldest
  time += 60_000;
  expect(ask(from("other 1"), target)).toBeNull();
});
