import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { clientTypes, clientTypesFile, openapiFile } from "../../scripts/openapi.ts";

test("the client's types match openapi.yaml (else: npm run openapi)", async () => {
  expect(readFileSync(clientTypesFile, "utf8")).toBe(await clientTypes(readFileSync(openapiFile, "utf8")));
});

test("the client has at most 100 lines, so that it is easy to review", () => {
  const text = readFileSync(new URL("../../src/client/client.ts", import.meta.url), "utf8");
  expect(text.split("\n").length - 1).toBeLessThanOrEqual(100);
});
