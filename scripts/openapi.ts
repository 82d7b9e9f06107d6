/** Writes the document of the API, as the running app gives it, to `openapi.yaml`. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import pino from "pino";
import { stringify } from "yaml";
import { createApp } from "../src/http/app.ts";
import { createMetrics } from "../src/http/metrics.ts";

const root = new URL("..", import.meta.url);

export const openapiFile = fileURLToPath(new URL("openapi.yaml", root));

/** The document of this checkout. */
export async function openapiYaml(): Promise<string> {
  const unused = (): never => {
    throw new Error("nothing is looked up here");
  };
  const { version } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as { version: string };
  const app = await createApp({
    oracle: unused,
    forget: unused,
    parseTarget: unused,
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
    version,
  });
  const document = app.swagger();
  await app.close();
  return `# Made by npm run openapi. Do not edit.\n${stringify(document, { lineWidth: 120, aliasDuplicateObjects: false })}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(openapiFile, await openapiYaml());
