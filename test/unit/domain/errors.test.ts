import { expect, test } from "vitest";
import { type FailureCode, failures, OracleError, toOracleError } from "../../../src/domain/errors.ts";

const codesWith = (property: "status" | "retryable", value: unknown) =>
  (Object.keys(failures) as FailureCode[]).filter((code) => failures[code][property] === value).sort();

test("a failure is retryable if a later request can succeed without a change", () => {
  expect(codesWith("retryable", true)).toEqual([
    ...["deadline_exceeded", "host_busy", "internal", "overloaded", "rate_limited", "request_timeout"],
    ...["source_protocol", "source_status", "source_unreachable"],
  ]);
});

test.each([
  [400, ["request_invalid", "url_invalid", "url_unsupported"]],
  [401, ["unauthorized"]],
  [403, ["request_forbidden"]],
  [404, ["route_unknown"]],
  [405, ["method_unsupported"]],
  [408, ["request_timeout"]],
  [413, ["request_too_large"]],
  [415, ["request_unsupported"]],
  [429, ["host_busy", "rate_limited"]],
  [500, ["internal"]],
  [502, ["source_protocol", "source_redirects", "source_status", "source_unreachable"]],
  [503, ["overloaded"]],
  [504, ["deadline_exceeded"]],
])("the failures with status %d are %j", (status, codes) => {
  expect(codesWith("status", status)).toEqual(codes);
});

test("an error that is none of the failures becomes internal, with its cause", () => {
  const bug = new TypeError("a bug");
  expect(toOracleError(bug)).toMatchObject({ code: "internal", message: "unexpected error", cause: bug, faults: [] });
  const failure = new OracleError("overloaded", "full");
  expect(toOracleError(failure)).toBe(failure);
});
