import { describe, expect, test, vi } from "vitest";
import { createCookies } from "../../../src/fetch/cookies.ts";

const secure = "https://a.example.org/x";
const plain = "http://a.example.org/x";

/** Returns the Cookie header for a URL after the responses of others, each with its Set-Cookie headers. */
function headerFor(url: string, ...responses: [url: string, ...headers: string[]][]): string | undefined {
  const cookies = createCookies();
  for (const [from, ...headers] of responses) cookies.store(new URL(from), { "set-cookie": headers });
  return cookies.headersFor(new URL(url)).cookie;
}

describe("cookies within a lookup", () => {
  test.each([
    ["a=b", "a=b"],
    ["a=b; Path=/; HttpOnly; SameSite=Lax", "a=b"],
    [" a = b ;Secure", "a=b"],
    ["a=", "a="],
    ['a="b c"', 'a="b c"'],
    ["a=b=c,d", "a=b=c,d"],
    ["a=b; Domain=example.org", "a=b"],
    ["a=b; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=b"],
    ["a=b; Expires=Fri, 31 Dec 9999 23:59:59 GMT", "a=b"],
    ["a=b; Expires=nonsense", "a=b"],
    ["a=b; Max-Age=1", "a=b"],
    ["a=b; Max-Age=1.5; Expires=Fri, 31 Dec 9999 23:59:59 GMT", "a=b"],
    [`a=${"b".repeat(4094)}`, `a=${"b".repeat(4094)}`],
  ])("after Set-Cookie: %s, the next request to the host has Cookie: %s", (header, cookie) => {
    expect(headerFor(secure, [secure, header])).toBe(cookie);
  });

  test.each([
    "",
    "a",
    "=b",
    ";a=b",
    "a b=c",
    "a=b\r\nX-Evil: c",
    "a=b\0",
    "a=ü",
    "ü=b",
    "a=b; Max-Age=0",
    "a=b; Max-Age=-1",
    "a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    `a=${"b".repeat(4095)}`,
  ])("Set-Cookie: %j sets no cookie", (header) => {
    expect(headerFor(secure, [secure, header])).toBeUndefined();
  });

  test("a cookie expires at the second of Expires", ({ onTestFinished }) => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const header = "a=b; Expires=Tue, 10 Jun 2025 12:00:00 GMT";
    vi.setSystemTime("2025-06-10T11:59:59.999Z");
    expect(headerFor(secure, [secure, header])).toBe("a=b");
    vi.setSystemTime("2025-06-10T12:00:00Z");
    expect(headerFor(secure, [secure, header])).toBeUndefined();
  });

  test("a later cookie of the same name replaces the earlier one, or deletes it", () => {
    expect(headerFor(secure, [secure, "a=1", "b=2"], [secure, "a=3"])).toBe("b=2; a=3");
    expect(headerFor(secure, [secure, "a=1", "b=2"], [secure, "a=; Max-Age=0"])).toBe("b=2");
  });

  test("a single Set-Cookie header may be text instead of a list", () => {
    const cookies = createCookies();
    cookies.store(new URL(secure), { "set-cookie": "a=b" });
    expect(cookies.headersFor(new URL(secure))).toEqual({ cookie: "a=b" });
    cookies.store(new URL(secure), {});
    expect(cookies.headersFor(new URL(secure))).toEqual({ cookie: "a=b" });
  });
});

describe("cookies stay at their host", () => {
  test.each([
    "https://example.org/x",
    "https://b.example.org/x",
    "https://b.a.example.org/x",
    "https://a.example.org.evil.net/x",
    "https://a.example.org:8443/x",
    "https://evil.net/a.example.org",
  ])("a cookie of a.example.org is not sent to %s, with any Domain", (other) => {
    for (const attribute of ["", "; Domain=example.org", "; Domain=.org", `; Domain=${new URL(other).hostname}`]) {
      expect(headerFor(other, [secure, `a=b${attribute}`])).toBeUndefined();
    }
  });

  test("a cookie is sent when its host redirects from http to https", () => {
    expect(headerFor(secure, [plain, "a=b"])).toBe("a=b");
  });

  test("a Secure cookie is neither sent nor set nor replaced over http", () => {
    expect(headerFor(plain, [secure, "a=b; Secure"])).toBeUndefined();
    expect(headerFor(secure, [plain, "a=b; Secure"])).toBeUndefined();
    expect(headerFor(secure, [secure, "a=b; Secure"], [plain, "a=evil"])).toBe("a=b");
    expect(headerFor(secure, [secure, "a=b; Secure"], [plain, "a=; Max-Age=0"])).toBe("a=b");
  });
});

test("the cookies of a chain of redirects are bounded in number and in size", () => {
  const many = Array.from({ length: 1000 }, (_, index) => `c${index}=1`);
  expect(headerFor(secure, [secure, ...many])?.split("; ")).toHaveLength(16);
  const large = Array.from({ length: 10 }, (_, index) => `c${index}=${"x".repeat(1000)}`);
  expect(headerFor(secure, [secure, ...large])?.split("; ")).toHaveLength(4);
  expect(headerFor(secure, ["https://b.example.org/", ...many], [secure, "a=b"])).toBeUndefined();
});
