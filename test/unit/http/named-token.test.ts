import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { createNamedToken, createNamedTokenCheck, isTokenName } from "../../../src/http/named-token.ts";

const key = "a-key-of-32-characters-and-more-!";
const nameIn = createNamedTokenCheck({ key, revokedNames: ["left.example.org"] });
const now = Math.floor(Date.now() / 1000);

test("a named token is valid on every replica with the same key", () => {
  const token = createNamedToken("chat.example.org", now + 60, key);
  expect(nameIn(token)).toBe("chat.example.org");
  expect(createNamedTokenCheck({ key, revokedNames: [] })(token)).toBe("chat.example.org");
  expect(nameIn(createNamedToken("chat.example.org", null, key))).toBe("chat.example.org");
});

test("a named token is a valid bearer token for any name", () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/),
      fc.option(fc.integer({ min: now + 60 })),
      (name, expiry) => {
        fc.pre(isTokenName(name));
        const token = createNamedToken(name, expiry, key);
        expect(token).toMatch(/^[A-Za-z0-9._~+/-]+=*$/);
        expect(nameIn(token)).toBe(name);
      },
    ),
  );
});

test("a named token is valid before the second of its expiry, and not from then on", ({ onTestFinished }) => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const token = createNamedToken("chat.example.org", now + 60, key);
  vi.setSystemTime((now + 60) * 1000 - 1);
  expect(nameIn(token)).toBe("chat.example.org");
  vi.setSystemTime((now + 60) * 1000);
  expect(nameIn(token)).toBeNull();
});

describe("invalid named tokens", () => {
  const token = createNamedToken("chat.example.org", now + 60, key);
  const [version, , , , expiry, signature] = token.split(".");
  const sign = (said: string) => `${said}.${createHmac("sha256", key).update(said).digest("base64url")}`;

  test.for([
    ["a token of another key", createNamedToken("chat.example.org", null, "another-key-of-32-characters-----")],
    ["an expired token", createNamedToken("chat.example.org", now - 1, key)],
    ["a token of a revoked name", createNamedToken("left.example.org", null, key)],
    ["another name under the same signature", token.replace("chat.", "that.")],
    ["a later expiry under the same signature", token.replace(`${expiry}`, `${Number(expiry) + 1}`)],
    ["no expiry under the same signature", token.replace(`${expiry}`, "never")],
    ["another version, though signed", sign(`mo2.chat.example.org.${expiry}`)],
    ["a name that tokens cannot have, though signed", sign(`${version}.chat example.${expiry}`)],
    ["a name that is reserved, though signed", sign(`${version}.anonymous.never`)],
    ["a name too long, though signed", sign(`${version}.${"a".repeat(65)}.never`)],
    ["an expiry that is no number, though signed", sign(`${version}.chat.1e99`)],
    ["no signature", token.slice(0, -signature!.length)],
    ["half a signature", token.slice(0, -20)],
    ["more after it", `${token}A`],
    ["the token in upper case", token.toUpperCase()],
    ["nothing", ""],
  ])("%s is rejected as a token", ([, text]) => {
    expect(nameIn(text!)).toBeNull();
  });

  test("a named token with one changed character is rejected", () => {
    const position = fc.nat({ max: token.length - 1 });
    fc.assert(
      fc.property(position, fc.stringMatching(/^[A-Za-z0-9._-]$/), (at, character) => {
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        fc.pre(changed !== token);
        expect(nameIn(changed)).toBeNull();
      }),
      { numRuns: 2000 },
    );
  });
});

test("reserved and malformed names are not token names", () => {
  expect(["token", "anonymous", "", "a b", "a,b", "é", "a".repeat(65)].filter(isTokenName)).toEqual([]);
  expect(["a", "chat.example.org", "A_b-9", "a".repeat(64)].every(isTokenName)).toBe(true);
});
