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

/** Whether asking once more would tell nothing new. */
function isFinal({ metadata, problem }: Item): boolean {
  return metadata ? metadata.partial !== true : problem?.retryable === false;
}

/**
 * Reads what an earlier batch has written, and cuts off the line that it was ended in, so that the next one begins a line.
 *
 * @returns how often each URL was answered for good
 */
export async function readAnswered(file: string): Promise<Map<string, number>> {
  const answered = new Map<string, number>();
  await cutOpenLine(file);
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const item = parseItem(line);
    if (item && isFinal(item)) answered.set(item.url, (answered.get(item.url) ?? 0) + 1);
  }
  return answered;
}

async function cutOpenLine(file: string): Promise<void> {
  let [size, whole] = [0, 0];
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    const end = chunk.lastIndexOf("\n");
    if (end >= 0) whole = size + end + 1;
    size += chunk.byteLength;
  }
  if (whole < size) await truncate(file, whole);
}
