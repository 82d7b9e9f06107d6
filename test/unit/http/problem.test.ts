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
