import { createReadStream } from "node:fs";
import { truncate } from "node:fs/promises";
import { createInterface } from "node:readline";

interface Item {
  readonly url: string;
  readonly metadata?: { readonly partial?: boolean };
  readonly problem?: { readonly retryable?: boolean };
}

function parseItem(line: string): Item | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof (value as Partial<Item> | null)?.url === "string" ? (value as Item) : null;
  } catch {
    return null;
  }
}

/** Whether a new lookup would give the same result. */
function isFinal({ metadata, problem }: Item): boolean {
  return metadata ? metadata.partial !== true : problem?.retryable === false;
}

/**
 * Reads the output of an earlier batch, and truncates an incomplete last line, so that new output starts on a new line.
 *
 * @returns number of final results by URL
 */
export async function readFinalCounts(file: string): Promise<Map<string, number>> {
  const finalCounts = new Map<string, number>();
  await truncatePartialLine(file);
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const item = parseItem(line);
    if (item && isFinal(item)) finalCounts.set(item.url, (finalCounts.get(item.url) ?? 0) + 1);
  }
  return finalCounts;
}

async function truncatePartialLine(file: string): Promise<void> {
  let [fileBytes, completeBytes] = [0, 0];
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    const end = chunk.lastIndexOf("\n");
    if (end >= 0) completeBytes = fileBytes + end + 1;
    fileBytes += chunk.byteLength;
  }
  if (completeBytes < fileBytes) await truncate(file, completeBytes);
}
