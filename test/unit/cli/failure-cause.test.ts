import { expect, test } from "vitest";
import { causeOf, unreachableCauses } from "../../../src/cli/failure-cause.ts";
import { unreachableReasons } from "../../../src/domain/errors.ts";

const lineOf = (part: object) => JSON.stringify({ code: "source_unreachable", ...part });

test.each(unreachableReasons)("the reason %s in a line of the log has its words", (reason) => {
  expect(causeOf(lineOf({ reason }))).toBe(`${unreachableCauses[reason]}.`);
});

test("the code of a TLS error and the rule that refused a redirect are named", () => {
  expect(causeOf(lineOf({ reason: "tls", tlsError: "CERT_HAS_EXPIRED" }))).toMatch(/ \(CERT_HAS_EXPIRED\)\.$/);
  expect(causeOf(lineOf({ reason: "redirect", rule: "the scheme" }))).toMatch(/ \(the scheme\)\.$/);
});

test("the rule of another reason is not named, nor another code of a redirect", () => {
  expect(causeOf(lineOf({ reason: "address", rule: "the scheme" }))).toBe(`${unreachableCauses.address}.`);
  expect(causeOf(lineOf({ reason: "redirect", tlsError: "CERT_HAS_EXPIRED" }))).toBe(`${unreachableCauses.redirect}.`);
});

test("a line of another failure or without a reason has no cause", () => {
  expect(causeOf(JSON.stringify({ msg: "described" }))).toBeNull();
  expect(causeOf(lineOf({}))).toBeNull();
  expect(causeOf(lineOf({ code: "source_status", reason: "tls" }))).toBeNull();
});
