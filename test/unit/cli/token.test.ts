import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { UsageError } from "../../../src/cli/exit.ts";
import { makeToken } from "../../../src/cli/token.ts";
import { ConfigError, parseConfig } from "../../../src/config.ts";

const nowSeconds = 1_800_000_000;

beforeEach(() => void vi.useFakeTimers({ now: nowSeconds * 1000 + 999 }));
afterEach(() => void vi.useRealTimers());

const makeWith = (settings: Record<string, string>, name: string, expires?: string) => {
  const machine = { version: "1.2.3", processors: 1, memoryBytes: 2 ** 30, readFile: () => "" };
  return makeToken(parseConfig(settings, {}, machine), name, expires);
};

const key = { MEDIA_ORACLE_TOKEN_KEY: "k".repeat(32) };

/** The expiry in a token for a chat host, in seconds from now; NaN if it does not expire. */
const lifetimeOf = (expires?: string) =>
  Number(makeWith(key, "chat.example.org", expires).split(".").at(-2)) - nowSeconds;

test.each([
  ["1m", 60],
  ["90m", 5400],
  ["1h", 3600],
  ["90d", 7_776_000],
  ["2w", 1_209_600],
  ["99999h", 359_996_400],
])("a token that expires after %s expires after %d seconds", (expires, seconds) => {
  expect(lifetimeOf(expires)).toBe(seconds);
});

test("a token without a lifetime never expires", () => {
  expect(makeWith(key, "chat.example.org")).toMatch(/^mo1\.chat\.example\.org\.never\./);
});

test.each(["", "0d", "d", "90", "90s", "1.5h", "-1d", "100000h", "90d "])("the lifetime %j is rejected", (expires) => {
  expect(() => lifetimeOf(expires)).toThrow(UsageError);
});

test("a token needs a key, a valid name, and a name that is not revoked", () => {
  expect(() => makeWith({}, "chat.example.org")).toThrow(ConfigError);
  for (const name of ["", "a b", "token", "anonymous", "a".repeat(65)]) {
    expect(() => makeWith(key, name)).toThrow("the name must be");
  }
  const revoked = { ...key, MEDIA_ORACLE_REVOKED_TOKENS: "old.example.org" };
  expect(() => makeWith(revoked, "old.example.org")).toThrow("old.example.org is revoked");
  expect(makeWith(revoked, "new.example.org")).toContain("new.example.org");
});
