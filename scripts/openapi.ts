/** `npm run openapi`: writes the app's OpenAPI document to `openapi.yaml`, and its types for the client. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString, type OpenAPI3 } from "openapi-typescript";
import { format, resolveConfig } from "prettier";
import { parse, stringify } from "yaml";
import { openapiDocument } from "../src/http/document.ts";

const root = new URL("..", import.meta.url);

export const openapiFile = fileURLToPath(new URL("openapi.yaml", root));
export const clientTypesFile = fileURLToPath(new URL("src/client/api.ts", root));

/** Generates the types of the response bodies in a document; the client writes its request types by hand. */
export async function clientTypes(yaml: string): Promise<string> {
  const document = { ...(parse(yaml) as OpenAPI3), paths: {} };
  const types = astToString(await openapiTS(document, { silent: true }));
  const options = { ...(await resolveConfig(clientTypesFile)), parser: "typescript" };
  return format(`// Made by npm run openapi. Do not edit.\n${types}`, options);
}

/** Generates the OpenAPI document of this checkout, as YAML. */
export async function openapiYaml(): Promise<string> {
  const { version } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as { version: string };
  const document = await openapiDocument(version);
  return `# Made by npm run openapi. Do not edit.\n${stringify(document, { lineWidth: 120, aliasDuplicateObjects: false })}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const yaml = await openapiYaml();
  writeFileSync(openapiFile, yaml);
  writeFileSync(clientTypesFile, await clientTypes(yaml));
}
