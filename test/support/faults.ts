import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Material } from "./require.ts";

/** Files that are easily described wrongly, with their metadata. They are beside the project: without them, tests are skipped. */
const folder = fileURLToPath(new URL("../../../shared/faults/", import.meta.url));
const hasFaults = existsSync(join(folder, "truth.json"));
export const faults: Material = { name: "folder ../shared/faults", isPresent: hasFaults };

export interface FaultRow {
  readonly file: string;
  /** A list has the acceptable values. */
  readonly expected: {
    readonly type?: string | readonly string[];
    readonly width?: number;
    readonly height?: number;
    readonly durationMs?: number;
  };
}

export function faultRows(): FaultRow[] {
  return hasFaults ? (JSON.parse(readFileSync(join(folder, "truth.json"), "utf8")) as FaultRow[]) : [];
}

export function faultBytes({ file }: FaultRow): Buffer {
  return readFileSync(join(folder, "files", file));
}
