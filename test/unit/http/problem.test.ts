import { expect, test } from "vitest";
import { type FailureCode, failures, OracleError } from "../../../src/domain/errors.ts";
import { problemOf } from "../../../src/http/problem.ts";
import { problemSchema } from "../../../src/http/schema.ts";

test.for(Object.keys(failures) as FailureCode[])("the failure %s becomes the documented problem document", (code) => {
  const details = { detail: "Invalid.", reason: "address", upstreamStatus: 404, cause: new Error("Secret") } as const;
  const error = new OracleError(code, "Secret", details);
  const problem = problemOf(error);
  expect(problemSchema.parse(problem)).toEqual(problem);
  expect(JSON.stringify(problem)).not.toMatch(/Secret|address/);
  const explained = ["url_invalid", "url_unsupported", "request_invalid", "request_too_large", "method_unsupported"];
  expect(problem.detail).toBe(explained.includes(code) ? "Invalid." : undefined);
  expect("upstreamStatus" in problem).toBe(code === "source_status");
});

test.each([
  { retryable: false, statuses: [302, 400, 404, 407, 409, 424, 426, 428, 430, 451, 499] },
  { retryable: true, statuses: [408, 425, 429, 500, 503, 599] },
])("a retry of an origin's status $statuses may succeed: $retryable", ({ retryable, statuses }) => {
  for (const upstreamStatus of statuses) {
    const problem = problemOf(new OracleError("source_status", "of the test", { upstreamStatus }));
    expect([upstreamStatus, problem.retryable]).toEqual([upstreamStatus, retryable]);
  }
});

test("an explanation without single mistakes has no list of them, and a status may be that of the socket", () => {
  const problem = problemOf(new OracleError("request_too_large", "of the test", { detail: "Too long." }), 431);
  expect(problem).toMatchObject({ status: 431, detail: "Too long." });
  expect(problem).not.toHaveProperty("errors");
  expect(problemOf(new OracleError("source_status", "of the test"))).not.toHaveProperty("upstreamStatus");
  expect(problemOf(new OracleError("request_invalid", "of the test"))).not.toHaveProperty("detail");
});
