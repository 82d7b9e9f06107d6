import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** What a cache is filled with. */
export interface CacheContent {
  readonly urlCharacters: number;
  readonly isPicture: boolean;
  readonly filename: string | null;
  readonly etag: string | null;
  readonly fails: boolean;
  /** No entry counts for less: the cache is full after so many bytes a URL. */
  readonly leastBytes: number;
}

const shortest = { urlCharacters: 1, isPicture: false, filename: null, etag: null, fails: false, leastBytes: 2300 };
// Two bytes a character, behind a path in the same header; each entry has another one.
const longestName = `${"x/".repeat(4000)}${"文".repeat(250)}.jpg`;
const picture = { ...shortest, isPicture: true, etag: "a".repeat(30), leastBytes: 3000 };

export const kinds = {
  shortest,
  pictures: { ...picture, urlCharacters: 60 },
  "longest names and tags": {
    ...picture,
    urlCharacters: 480,
    filename: longestName,
    etag: "a".repeat(180),
    leastBytes: 3500,
  },
  "longest URLs": { ...picture, urlCharacters: 8000, filename: longestName, leastBytes: 3500 },
  "longest kept replies": { ...picture, urlCharacters: 280, filename: "a".repeat(240), etag: "a".repeat(180) },
  failures: { ...shortest, urlCharacters: 8000, fails: true, leastBytes: 4000 },
} satisfies Record<string, CacheContent>;

export type CacheKind = keyof typeof kinds;

/** The growth of the heap by a full cache; `ratio` to the setting. */
export interface CacheGrowth {
  readonly growthBytes: number;
  readonly ratio: number;
}

/** Fills a cache in a process of its own. */
export async function measureCacheGrowth(cacheBytes: number, kind: CacheKind): Promise<CacheGrowth> {
  const program = fileURLToPath(new URL("./cache-growth.ts", import.meta.url));
  const args = ["--expose-gc", "--import", "tsx", program, String(cacheBytes), kind];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as CacheGrowth;
}
