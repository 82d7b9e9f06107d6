import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openapiFile, openapiYaml } from "../../../scripts/openapi.ts";
import { failures } from "../../../src/domain/errors.ts";
import { document } from "../../support/contract.ts";
import { plainApp } from "./app.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

test("openapi.yaml is what npm run openapi makes", async () => {
  expect(await openapiYaml()).toBe(readFileSync(openapiFile, "utf8"));
});

test("the routes of the app and of the document are the same set", async () => {
  const app = await plainApp();
  // One line a route: "├── /metadata (POST, GET, HEAD)", and four characters further in what is below it. HEAD comes with every
  // GET (RFC 9110 9.1) and is not documented apart.
  const parts: string[] = [];
  const lines = app.printRoutes({ commonPrefix: false }).matchAll(/^(.*── )(\/\S*) \(([A-Z, ]+)\)/gm);
  const served = Array.from(lines, ([, indent = "", part = "", methods = ""]) => {
    parts.splice(indent.length / 4 - 1, Infinity, part);
    return methods.split(", ").map((method) => `${method} ${parts.join("")}`);
  }).flat();
  const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(served.filter((route) => !route.startsWith("HEAD ")).sort()).toEqual(documented.sort());
  expect(documented).toContain("POST /metadata");
});

test("the document names every failure", () => {
  const text = readFileSync(openapiFile, "utf8");
  for (const code of Object.keys(failures)) expect(text).toContain(`- ${code}\n`);
});

test("the document has no schema that nothing refers to", () => {
  const { components } = document as unknown as { components: { schemas: Record<string, unknown> } };
  const text = JSON.stringify(document);
  for (const name of Object.keys(components.schemas)) expect(text).toContain(`"#/components/schemas/${name}"`);
});

test("a validator accepts the document", () => {
  const { status, stdout, stderr } = spawnSync(`${root}node_modules/.bin/redocly`, ["lint", "openapi.yaml"], {
    cwd: root,
    encoding: "utf8",
    // It would ask its maker whether there is a newer one, and tell who asks.
    env: { PATH: process.env.PATH, REDOCLY_SUPPRESS_UPDATE_NOTICE: "true", REDOCLY_TELEMETRY: "off" },
  });
  expect(`${stdout}${stderr}`).toContain("Your API description is valid");
  expect(status).toBe(0);
});
