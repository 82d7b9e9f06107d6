import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openapiFile, openapiYaml } from "../../../scripts/openapi.ts";
import { failures } from "../../../src/domain/errors.ts";
import { document } from "../../support/contract.ts";
import { plainApp } from "./app.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

test("openapi.yaml is the output of npm run openapi", async () => {
  expect(await openapiYaml()).toBe(readFileSync(openapiFile, "utf8"));
});

test("the app and the OpenAPI document have the same routes", async () => {
  const app = await plainApp();
  // One line a route: "├── /metadata (POST, GET, HEAD)", its children indented by 4 characters.
  const parts: string[] = [];
  const lines = app.printRoutes({ commonPrefix: false }).matchAll(/^(.*── )(\/\S*) \(([A-Z, ]+)\)/gm);
  const served = Array.from(lines, ([, indent = "", part = "", methods = ""]) => {
    parts.splice(indent.length / 4 - 1, Infinity, part);
    return methods.split(", ").map((method) => `${method} ${parts.join("")}`);
  }).flat();
  const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(served.sort()).toEqual(documented.sort());
  expect(documented).toContain("POST /metadata");
});

test("the OpenAPI document has every failure code", () => {
  const text = readFileSync(openapiFile, "utf8");
  for (const code of Object.keys(failures)) expect(text).toContain(`- ${code}\n`);
});

test("the OpenAPI document has no unused schema", () => {
  const { components } = document as unknown as { components: { schemas: Record<string, unknown> } };
  const text = JSON.stringify(document);
  for (const name of Object.keys(components.schemas)) expect(text).toContain(`"#/components/schemas/${name}"`);
});

test("redocly lint accepts openapi.yaml", () => {
  const { status, stdout, stderr } = spawnSync(`${root}node_modules/.bin/redocly`, ["lint", "openapi.yaml"], {
    cwd: root,
    encoding: "utf8",
    // No update check and no telemetry.
    env: { PATH: process.env.PATH, REDOCLY_SUPPRESS_UPDATE_NOTICE: "true", REDOCLY_TELEMETRY: "off" },
  });
  expect(`${stdout}${stderr}`).toContain("Your API description is valid");
  expect(status).toBe(0);
});
