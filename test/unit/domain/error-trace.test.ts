import { expect, test } from "vitest";
import { traceOf } from "../../../src/domain/error-trace.ts";

/** An error with this number of causes, each the cause of the one before. */
const withCauses = (causes: number): Error => new Error("outer", causes === 0 ? {} : { cause: withCauses(causes - 1) });

test("an error is described by its class, its code and the places of its stack, without its message", () => {
  const error = Object.assign(new TypeError("https://example.org/secret\n    at https://example.org/secret"), {
    code: "ERR_INVALID_URL",
    input: "https://example.org/secret",
  });
  const [trace, ...others] = traceOf(error);
  expect(others).toEqual([]);
  expect(trace).toMatchObject({ name: "TypeError", code: "ERR_INVALID_URL" });
  expect(trace!.at[0]).toMatch(/^at .*error-trace\.test\.ts:\d+/);
  expect(JSON.stringify(trace)).not.toContain("secret");
});

test("a code that is no short name is left out", () => {
  for (const code of [5, "", "https://example.org/", "A".repeat(65)]) {
    expect(traceOf(Object.assign(new Error(""), { code }))[0]).not.toHaveProperty("code");
  }
  expect(traceOf(Object.assign(new Error(""), { code: "A".repeat(64) }))[0]).toHaveProperty("code");
});

test("the causes of an error follow it, three at most", () => {
  expect([0, 1, 3, 4, 10].map((causes) => traceOf(withCauses(causes)).length)).toEqual([1, 2, 4, 4, 4]);
});

test("a thrown value that is no error has no trace", () => {
  for (const value of ["text", undefined, null, { message: "a" }]) expect(traceOf(value)).toEqual([]);
});
