import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const schemas = fileURLToPath(new URL("schemas/all.xsd", import.meta.url));

export function hasXmllint(): boolean {
  return spawnSync("sh", ["-c", "command -v xmllint"]).status === 0;
}

/** What xmllint says against an element by the schemas of the XEPs (in `schemas/`); empty where that is nothing. */
export function schemaFaults(xml: string): string {
  const { status, stderr } = spawnSync("xmllint", ["--noout", "--nonet", "--schema", schemas, "-"], {
    input: xml,
    encoding: "utf8",
  });
  return status === 0 ? "" : stderr;
}
