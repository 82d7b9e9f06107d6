import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Material } from "./require.ts";

/** Real media with reference metadata. It is beside the project: without it, tests that need it are skipped. */
export const corpusFolder = fileURLToPath(new URL("../../../shared/corpus/", import.meta.url));
const hasCorpus = existsSync(join(corpusFolder, "manifest.jsonl"));
export const corpus: Material = { name: "folder ../shared/corpus", isPresent: hasCorpus };

export interface CorpusRow {
  /** Relative to the folder. */
  readonly file: string;
  readonly kind: "image" | "video" | "audio" | "document" | "other" | "malformed";
  readonly bytes: number;
  readonly type: string;
  /** Other acceptable names of the type; a null element: no type is acceptable too. */
  readonly acceptableTypes: readonly (string | null)[] | null;
  readonly displayWidth: number | null;
  readonly displayHeight: number | null;
  readonly frames: number | null;
  readonly blurhashFull43?: string;
  readonly blurhashUncertain?: unknown;
  readonly expected?: "ok" | "either" | "metadata-without-blurhash" | "type-only" | "not-media";
  readonly limits?: { readonly maxMs: number; readonly maxRssMiB: number };
}

export function corpusRows(): CorpusRow[] {
  if (!hasCorpus) return [];
  const lines = readFileSync(join(corpusFolder, "manifest.jsonl"), "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as CorpusRow);
}

export function corpusBytes(row: CorpusRow): Buffer {
  return readFileSync(join(corpusFolder, row.file));
}

export interface BlurhashVector {
  readonly image: string;
  readonly components: readonly [number, number];
  readonly hash: string;
  readonly family: string;
  readonly match: string;
  readonly producerResizes: boolean;
}

export function blurhashVectors(): BlurhashVector[] {
  if (!hasCorpus) return [];
  const text = readFileSync(join(corpusFolder, "blurhash-vectors.json"), "utf8");
  return (JSON.parse(text) as { vectors: BlurhashVector[] }).vectors;
}
