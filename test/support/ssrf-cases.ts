import { existsSync, readFileSync } from "node:fs";
import type { Material } from "./require.ts";

/** A collected SSRF attempt, or a URL that resembles one and is accepted. */
export interface SsrfCase {
  readonly url: string;
  readonly verdict: "block" | "allow-syntax";
  readonly why: string;
  readonly whatwg_host: string | null;
  readonly resolves?: string[];
  readonly resolves_seq?: string[][];
}

const file = new URL("../../../shared/ssrf-cases.json", import.meta.url);

export const ssrfCases: Material = { name: "file ../shared/ssrf-cases.json", isPresent: existsSync(file) };

/** The collected cases; none without the file. */
export function readSsrfCases(): SsrfCase[] {
  return ssrfCases.isPresent ? (JSON.parse(readFileSync(file, "utf8")) as SsrfCase[]) : [];
}
