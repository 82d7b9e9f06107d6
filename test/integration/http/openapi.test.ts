import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { expect, test } from "vitest";
import { openapiFile, openapiYaml } from "../../../scripts/openapi.ts";
import { failures } from "../../../src/domain/errors.ts";
import { createApp } from "../../../src/http/app.ts";
import { createMetrics } from "../../../src/http/metrics.ts";
import { document } from "../../support/contract.ts";
import { described, parseAnything } from "./app.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

test("openapi.yaml is what npm run openapi makes", async () => {
  expect(await openapiYaml()).toBe(readFileSync(openapiFile, "utf8"));
});

test("the routes of the app and of the document are the same set", async () => {
  const app = await createApp({
    oracle: () => described(),
    forget: () => Promise.resolve(),
    parseTarget: parseAnything,
    tokens: [],
    namedTokens: null,
    rateLimit: null,
    readiness: () => "ok",
    metrics: createMetrics({
      inflight: () => 0,
      queueDepth: () => 0,
      decoderRestarts: () => 0,
      enabled: () => ({}),
      shared: null,
    }),
    logger: pino({ level: "silent" }),
    version: "0.0.0",
  });
  // One line a route: "├── /metadata (POST, GET, HEAD)". HEAD comes with every GET (RFC 9110 9.1) and is not documented apart.
  const served = [...app.printRoutes({ commonPrefix: false }).matchAll(/(\/\S*) \(([A-Z, ]+)\)/g)].flatMap(
    ([, path = "", methods = ""]) => methods.split(", ").map((method) => `${method} ${path}`),
  );
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
