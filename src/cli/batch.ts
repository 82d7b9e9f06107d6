import { once } from "node:events";
import { createReadStream, existsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import type { Writable } from "node:stream";
import { describeUrl, type LookupOptions, type Client, openService, type Outcome } from "./service-client.ts";
import { readFinalCounts } from "./batch-resume.ts";
import type { Context } from "./context.ts";
import { type ExitCode, exitCodes, UnavailableError, UsageError } from "./exit.ts";
import { createProgress } from "./progress.ts";

export interface BatchOptions extends LookupOptions {
  readonly concurrency: number;
  readonly output?: string;
  readonly resume?: true;
}

interface InputLine {
  /** From 0, empty lines not counted. */
  readonly index: number;
  readonly url: string;
}

const retryableCodes: ReadonlySet<string> = new Set(["overloaded", "host_busy", "rate_limited"]);

// A rate limit ends within a minute, so one retry is usually enough.
const maxTries = 5;

// Without Retry-After: the pause that an overloaded service asks for.
const defaultRetryMs = 2000;

/**
 * Looks up the URLs of a file concurrently, and writes each result as soon as it is there: `{"index", "url", "metadata"}` or
 * `{"index", "url", "problem"}`.
 *
 * @param file one URL per line: as plain text, a JSON string, or `url` of a JSON object; "-" is the standard input
 */
export async function batch(file: string, options: BatchOptions, context: Context): Promise<ExitCode> {
  const finalCounts = await findFinalCounts(options);
  const total = isRegularFile(file) ? await countLines(file) : null;
  const output = options.output === undefined ? process.stdout : (await open(options.output, "a")).createWriteStream();
  const { client, close } = await openService(options, context, Infinity);
  const progress = createProgress(process.stderr, total);
  const ignoreInterrupt = explainInterrupt(file, options.output);
  const lines = skipFinal(readLines(file), finalCounts, () => progress.skipped());

  async function runWorker(): Promise<void> {
    for await (const { index, url } of lines) {
      const outcome = await describeWithRetries(client, url, options.deadlineMs, () => progress.done > 0);
      const result = "answer" in outcome ? { metadata: outcome.answer.metadata } : { problem: outcome.problem };
      progress.finished("answer" in outcome);
      await write(output, `${JSON.stringify({ index, url, ...result })}\n`);
    }
  }

  // Wait for all workers: lookups in progress are still written after one worker has failed.
  const endings = await Promise.allSettled(Array.from({ length: options.concurrency }, runWorker));
  ignoreInterrupt();
  progress.end();
  if (output !== process.stdout) output.end();
  await close();
  const failure = endings.find((ending) => ending.status === "rejected");
  if (failure) throw failure.reason;
  return progress.failures > 0 ? exitCodes.failed : exitCodes.ok;
}

/** On SIGINT (Ctrl-C), prints how to go on before the process ends by the signal. Returns a function that undoes this. */
function explainInterrupt(file: string, output: string | undefined): () => void {
  function onInterrupt(): void {
    const input = file === "-" ? "< INPUT" : quoteWord(file);
    const advice =
      output === undefined
        ? "with --output FILE an interrupted batch can be continued"
        : `continue with media-oracle batch ${input} --output ${quoteWord(output)} --resume, and the other options`;
    process.stderr.write(`\nmedia-oracle: interrupted: ${advice}\n`);
    process.kill(process.pid, "SIGINT"); // no longer handled: ends the process as the shell expects
  }
  process.once("SIGINT", onInterrupt);
  return () => void process.off("SIGINT", onInterrupt);
}

/** Quotes a word for a shell, if it has special characters. */
function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Returns the number of final results by URL of the run to resume; empty without one. */
async function findFinalCounts({ output, resume }: BatchOptions): Promise<Map<string, number>> {
  if (output === undefined || !existsSync(output)) {
    if (resume && output === undefined) throw new UsageError("--resume needs --output, the file to resume");
    return new Map();
  }
  if (!resume) throw new UsageError(`${output} exists: add --resume to continue it, or choose another file`);
  return readFinalCounts(output);
}

function urlOf(line: string): string {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "string") return value;
    const { url } = value as { url?: unknown };
    if (typeof url === "string") return url;
  } catch {
    // not JSON: the line is the URL
  }
  return line;
}

async function* readLines(file: string): AsyncGenerator<InputLine, void> {
  let index = 0;
  for await (const line of createInterface({ input: file === "-" ? process.stdin : createReadStream(file) })) {
    if (line.trim() !== "") yield { index: index++, url: urlOf(line.trim()) };
  }
}

/** Whether the lines can be counted before they are read; those of a pipe cannot. */
function isRegularFile(file: string): boolean {
  if (file === "-") return false;
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found) throw new UsageError(`file not found: ${file}`);
  if (found.isDirectory()) throw new UsageError(`${file} is a folder, not a file`);
  return found.isFile();
}

async function countLines(file: string): Promise<number> {
  let count = 0;
  for await (const { index } of readLines(file)) count = index + 1;
  return count;
}

/** Skips lines with a final result: each result is for one line with its URL. */
async function* skipFinal(
  lines: AsyncIterable<InputLine>,
  finalCounts: Map<string, number>,
  onSkipped: () => void,
): AsyncGenerator<InputLine, void> {
  for await (const line of lines) {
    const count = finalCounts.get(line.url) ?? 0;
    if (count === 0) yield line;
    else {
      finalCounts.set(line.url, count - 1);
      onSkipped();
    }
  }
}

/**
 * Looks up a URL, and retries while the service is overloaded or unavailable.
 *
 * @param hasResponded whether the service has responded before; if not, it is not worth waiting for
 */
async function describeWithRetries(
  client: Client,
  url: string,
  deadlineMs: number | undefined,
  hasResponded: () => boolean,
): Promise<Outcome> {
  for (let tries = 1; ; tries += 1) {
    try {
      const outcome = await describeUrl(client, url, deadlineMs);
      if ("answer" in outcome || !retryableCodes.has(outcome.problem.code) || tries === maxTries) return outcome;
      await wait(outcome.retryAfterMs ?? defaultRetryMs);
    } catch (error) {
      if (!(error instanceof UnavailableError) || tries === maxTries || !hasResponded()) throw error;
      await wait(defaultRetryMs);
    }
  }
}

async function write(output: Writable, line: string): Promise<void> {
  if (!output.write(line)) await once(output, "drain");
}
