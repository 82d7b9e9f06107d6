import { styleText } from "node:util";
import type { Answer, Problem } from "../client/client.ts";
import { explainCacheStatus, explainProblem, formatBytes } from "../client/words.ts";
import { outOfBandElement } from "../domain/element.ts";
import { isBlurhash, warnings } from "../domain/metadata.ts";
import { describeUrl, type LookupOptions, openService, type Outcome } from "./service-client.ts";
import type { Context } from "./context.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { type ColourDepth, colourDepthOf, drawBlurhash, printable } from "./terminal.ts";

export interface ProbeOptions extends LookupOptions {
  readonly json?: true;
  readonly xml?: true;
}

/** Looks up the URLs one after the other, and prints the results. */
export async function probe(urls: readonly string[], options: ProbeOptions, context: Context): Promise<ExitCode> {
  const { client, lastCause, close } = await openService(options, context, 1);
  const depth = colourDepthOf(process.stdout, context);
  let exitCode: ExitCode = exitCodes.ok;
  try {
    for (const url of urls) {
      const outcome = await describeUrl(client, url, options.deadlineMs);
      if ("problem" in outcome) exitCode = exitCodes.failed;
      printOutcome(url, outcome, options, depth, lastCause());
    }
  } finally {
    await close();
  }
  return exitCode;
}

/** @param cause of the latest `source_unreachable`, if it is known */
function printOutcome(
  url: string,
  outcome: Outcome,
  { json, xml }: ProbeOptions,
  depth: ColourDepth,
  cause: string | null,
): void {
  const problem = "problem" in outcome ? outcome.problem : null;
  if (json) return printLine(JSON.stringify(problem ?? ("answer" in outcome && outcome.answer.metadata)));
  if ("problem" in outcome) {
    return void process.stderr.write(`${printable(`${url}: ${explainFailure(outcome.problem, cause)}`)}\n`);
  }
  if (xml) return printLine(outOfBandElement(url, outcome.answer.metadata));
  printLine(formatAnswer(outcome.answer, depth));
}

function explainFailure(problem: Problem, cause: string | null): string {
  if (problem.code !== "source_unreachable" || cause === null) return explainProblem(problem);
  return `${problem.title}: ${cause}`;
}

function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

function formatAnswer(answer: Answer, depth: ColourDepth): string {
  const { metadata } = answer;
  const rows = Object.entries(rowsOf(answer)).flatMap(([name, value]) =>
    value === null ? [] : [`  ${styleText("dim", name.padEnd(12))}${printable(value)}`],
  );
  return [styleText("bold", printable(metadata.url)), ...drawPreview(answer, depth), ...rows, ""].join("\n");
}

function drawPreview({ metadata: { blurhash, width, height } }: Answer, depth: ColourDepth): string[] {
  if (blurhash === null || !isBlurhash(blurhash)) return [];
  return drawBlurhash(blurhash, (width ?? 1) / (height ?? 1), depth).map((line) => `  ${line}`);
}

/** Returns the rows of the output by label; rows with null are omitted. */
function rowsOf({ metadata, cacheStatus, timings }: Answer): Record<string, string | null> {
  const { type, bytes, bytesSource, width, height, durationMs } = metadata;
  const stages = Object.entries(timings).map(([stage, took]) => `${stage} ${took} ms`);
  return {
    type: metadata.animated ? `${type}, animated` : type,
    size: bytes === null ? null : `${formatBytes(bytes)} (${bytes} bytes, ${bytesSource ?? "declared"})`,
    pixels: width === null || height === null ? null : `${width} x ${height}`,
    duration: durationMs === null ? null : `${durationMs / 1000} s`,
    blurhash: metadata.blurhash,
    thumbhash: metadata.thumbhash,
    thumbnail: metadata.thumbnail === null ? null : `${metadata.thumbnail.slice(0, 40)}… (whole with --json)`,
    sha256: metadata.sha256,
    filename: metadata.filename,
    cache: explainCacheStatus(cacheStatus),
    time: stages.join(", "),
    partial: metadata.partial ? "the deadline has passed: ask again for the other facts" : null,
    warning: metadata.warnings.map((code) => `${code}: ${warnings[code]}`).join("; ") || null,
  };
}
