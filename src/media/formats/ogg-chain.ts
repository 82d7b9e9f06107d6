import { createDurationMs } from "../raster.ts";
import { createWorkBudget } from "./bytes.ts";
import { readOggFacts } from "./ogg.ts";
import { readPage } from "./ogg-streams.ts";

// A file of the largest size that is read, in pages of 4 kB, has 16384 of them; of one packet each, some more.
const maxPages = 1024 ** 2;
const maxLinks = 4096;

/**
 * The duration of a whole Ogg file of several links, one behind the other (RFC 3533 4): the sum of theirs. For workers:
 * it takes all pages.
 *
 * @returns null if the file has one link, or if one cannot be measured
 */
export function readChainedMs(body: Uint8Array): number | null {
  const starts = findLinks(body);
  if (starts.length < 2 || starts.length > maxLinks) return null;
  let sumMs = 0;
  for (const [index, start] of starts.entries()) {
    const prefix = body.subarray(start, starts[index + 1]);
    const { durationMs } = readOggFacts({ prefix, parts: [], length: prefix.length });
    if (durationMs === null) return null;
    sumMs += durationMs;
  }
  return createDurationMs(sumMs);
}

/** Offsets of the links: each begins with the first pages of its streams. */
function findLinks(body: Uint8Array): number[] {
  const starts: number[] = [];
  const work = createWorkBudget(maxPages);
  let isBeginning = false;
  let at = 0;
  for (let page = readPage(body, at); page && work.step(); page = readPage(body, at)) {
    if (page.isFirst && !isBeginning) starts.push(at);
    isBeginning = page.isFirst;
    at = page.end;
  }
  return starts;
}
