import { once } from "node:events";
import { createReadStream, existsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import type { Writable } from "node:stream";
import { ask, type AskingOptions, type Client, openAsked, type Outcome } from "./asking.ts";
import { readAnswered } from "./batch-resume.ts";
import type { Context } from "./context.ts";
import { type ExitCode, exitCodes, UnavailableError, UsageError } from "./exit.ts";
import { createProgress } from "./progress.ts";

export interface BatchOptions extends AskingOptions {
  readonly concurrency: number;
  readonly output?: string;
  readonly resume?: true;
}

interface Question {
  /** Which one, from 0. */
  readonly index: number;
  readonly url: string;
}

const retryableCodes: ReadonlySet<string> = new Set(["overloaded", "host_busy", "rate_limited"]);

// A minute's rate limit is over after one wait; what is still too much after some is not ours to press.
const maxTries = 5;

// Where the answer does not say: as long as a service that has too much to do asks for.
const retryAfterMs = 2000;

/**
 * Asks about every line, some at once, and writes each answer as it comes: `{"index", "url", "metadata"}` or, where nothing can be
 * said, `{"index", "url", "problem"}`.
 *
 * @param file with a URL a line, as such, as a JSON string, or as `url` of a JSON object; "-" is the standard input
 */
export async function batch(file: string, options: BatchOptions, context: Context): Promise<ExitCode> {
  const answered = await findAnswered(options);
  const total = isReadTwice(file) ? await countQuestions(file) : null;
  const output = options.output === undefined ? process.stdout : (await open(options.output, "a")).createWriteStream();
  const { client, close } = await openAsked(options, context, Infinity);
  const progress = createProgress(process.stderr, total);
  const questions = unanswered(readQuestions(file), answered, () => progress.skipped());

  async function takeTurns(): Promise<void> {
    for await (const { index, url } of questions) {
      const outcome = await askPatiently(client, url, options.deadlineMs, () => progress.asked > 0);
      const told = "answer" in outcome ? { metadata: outcome.answer.metadata } : { problem: outcome.problem };
      progress.told("answer" in outcome);
      await write(output, `${JSON.stringify({ index, url, ...told })}\n`);
    }
  }

  // To the end of all of them: what was asked is told, though another has found that it is no use to go on.
  const endings = await Promise.allSettled(Array.from({ length: options.concurrency }, takeTurns));
  progress.end();
  if (output !== process.stdout) output.end();
  await close();
  const broken = endings.find((ending) => ending.status === "rejected");
  if (broken) throw broken.reason;
  return progress.failures > 0 ? exitCodes.failed : exitCodes.ok;
}

/** How often each URL was answered before, where the batch goes on with an earlier one. */
async function findAnswered({ output, resume }: BatchOptions): Promise<Map<string, number>> {
  if (output === undefined || !existsSync(output)) {
    if (resume && output === undefined) throw new UsageError("--resume goes on with the file that --output names");
    return new Map();
  }
  if (!resume) throw new UsageError(`${output} is there already: --resume goes on with it`);
  return readAnswered(output);
}

function urlOf(line: string): string {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "string") return value;
    const { url } = value as { url?: unknown };
    if (typeof url === "string") return url;
  } catch {
    // no JSON: the line is the URL
  }
  return line;
}

async function* readQuestions(file: string): AsyncGenerator<Question, void> {
  let index = 0;
  for await (const line of createInterface({ input: file === "-" ? process.stdin : createReadStream(file) })) {
    if (line.trim() !== "") yield { index: index++, url: urlOf(line.trim()) };
  }
}

/** Whether it can be gone through beforehand, as what comes in through a pipe cannot. */
function isReadTwice(file: string): boolean {
  if (file === "-") return false;
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found) throw new UsageError(`there is no file ${file}`);
  if (found.isDirectory()) throw new UsageError(`${file} is a folder`);
  return found.isFile();
}

async function countQuestions(file: string): Promise<number> {
  let count = 0;
  for await (const { index } of readQuestions(file)) count = index + 1;
  return count;
}

/** Those that were not answered before: each answer is for one of the questions with its URL. */
async function* unanswered(
  questions: AsyncIterable<Question>,
  answered: Map<string, number>,
  onSkipped: () => void,
): AsyncGenerator<Question, void> {
  for await (const question of questions) {
    const times = answered.get(question.url) ?? 0;
    if (times === 0) yield question;
    else {
      answered.set(question.url, times - 1);
      onSkipped();
    }
  }
}

/**
 * Asks again where the service is too busy or away for the moment.
 *
 * @param isThere whether it has answered anything; one that never did need not be waited for
 */
async function askPatiently(
  client: Client,
  url: string,
  deadlineMs: number | undefined,
  isThere: () => boolean,
): Promise<Outcome> {
  for (let tries = 1; ; tries += 1) {
    try {
      const outcome = await ask(client, url, deadlineMs);
      if ("answer" in outcome || !retryableCodes.has(outcome.problem.code) || tries === maxTries) return outcome;
      await wait(outcome.retryAfterMs ?? retryAfterMs);
    } catch (error) {
      if (!(error instanceof UnavailableError) || tries === maxTries || !isThere()) throw error;
      await wait(retryAfterMs);
    }
  }
}

async function write(output: Writable, line: string): Promise<void> {
  if (!output.write(line)) await once(output, "drain");
}
