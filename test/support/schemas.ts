import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const schemas = fileURLToPath(new URL("schemas/all.xsd", import.meta.url));

export function hasXmllint(): boolean {
  return spawnSync("sh", ["-c", "command -v xmllint"]).status === 0;
}

/** Validates an element with xmllint by the XEPs' schemas (in `schemas/`); returns its errors, empty if valid. */
export function schemaFaults(xml: string): string {
  const { status, stderr } = spawnSync("xmllint", ["--noout", "--nonet", "--schema", schemas, "-"], {
    input: xml,
    encoding: "utf8",
  });
  return status === 0 ? "" : stderr;
}
