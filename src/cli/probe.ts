import type { Answer } from "../client/client.ts";
import { cacheWords, problemWords, sizeWords } from "../client/words.ts";
import { outOfBandElement } from "../domain/element.ts";
import { isBlurhash, warnings } from "../domain/metadata.ts";
import { ask, type AskingOptions, openAsked, type Outcome } from "./asking.ts";
import type { Context } from "./context.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { bold, type Colours, coloursOf, dim, drawBlurhash, printable } from "./terminal.ts";

export interface ProbeOptions extends AskingOptions {
  readonly json?: true;
  readonly xml?: true;
}

/** Asks about each URL, one after the other, and prints what is known. */
export async function probe(urls: readonly string[], options: ProbeOptions, context: Context): Promise<ExitCode> {
  const { client, close } = await openAsked(options, context, 1);
  const colours = coloursOf(process.stdout, context);
  let exitCode: ExitCode = exitCodes.ok;
  try {
    for (const url of urls) {
      const outcome = await ask(client, url, options.deadlineMs);
      if ("problem" in outcome) exitCode = exitCodes.failed;
      print(url, outcome, options, colours);
    }
  } finally {
    await close();
  }
  return exitCode;
}

function print(url: string, outcome: Outcome, { json, xml }: ProbeOptions, colours: Colours): void {
  const problem = "problem" in outcome ? outcome.problem : null;
  if (json) return printLine(JSON.stringify(problem ?? ("answer" in outcome && outcome.answer.metadata)));
  if ("problem" in outcome)
    return void process.stderr.write(`${printable(`${url}: ${problemWords(outcome.problem)}`)}\n`);
  if (xml) return printLine(outOfBandElement(url, outcome.answer.metadata));
  printLine(describeForPeople(outcome.answer, colours));
}

function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

function describeForPeople(answer: Answer, colours: Colours): string {
  const { metadata } = answer;
  const rows = Object.entries(rowsOf(answer)).flatMap(([name, value]) =>
    value === null ? [] : [`  ${dim(name.padEnd(12), colours)}${printable(value)}`],
  );
  return [bold(printable(metadata.url), colours), ...picture(answer, colours), ...rows, ""].join("\n");
}

function picture({ metadata: { blurhash, width, height } }: Answer, colours: Colours): string[] {
  if (colours === 0 || blurhash === null || !isBlurhash(blurhash)) return [];
  return drawBlurhash(blurhash, (width ?? 1) / (height ?? 1), colours).map((line) => `  ${line}`);
}

/** What is known by the names that people read; null is left out. */
function rowsOf({ metadata, cacheStatus, timings }: Answer): Record<string, string | null> {
  const { type, bytes, bytesSource, width, height, durationMs } = metadata;
  const stages = Object.entries(timings).map(([stage, took]) => `${stage} ${took} ms`);
  return {
    type: metadata.animated ? `${type}, animated` : type,
    size: bytes === null ? null : `${sizeWords(bytes)} (${bytes} bytes, ${bytesSource ?? "declared"})`,
    pixels: width === null || height === null ? null : `${width} x ${height}`,
    duration: durationMs === null ? null : `${durationMs / 1000} s`,
    blurhash: metadata.blurhash,
    thumbhash: metadata.thumbhash,
    sha256: metadata.sha256,
    filename: metadata.filename,
    "come by": cacheWords(cacheStatus),
    took: stages.join(", "),
    partial: metadata.partial ? "the deadline came first: ask again" : null,
    warning: metadata.warnings.map((code) => `${code}: ${warnings[code]}`).join("; ") || null,
  };
}
