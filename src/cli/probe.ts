import { styleText } from "node:util";
import type { Answer, Problem } from "../client/client.ts";
import { explainCacheStatus, explainProblem, formatBytes } from "../client/words.ts";
import { outOfBandElement } from "../domain/element.ts";
import { isBlurhash, warnings } from "../domain/metadata.ts";
import { describeUrl, type LookupOptions, openService, type Outcome } from "./service-client.ts";
import type { Context } from "./context.ts";
import type { LocalFile } from "../domain/local-file.ts";
import { type ExitCode, exitCodes, UsageError } from "./exit.ts";
import { type FileArgument, FileError, openFile, parseFileArgument } from "./local-file.ts";
import { type ColourDepth, colourDepthOf, drawBlurhash, printable } from "./terminal.ts";

export interface ProbeOptions extends LookupOptions {
  readonly json?: true;
  readonly xml?: true;
}

/** Looks up the URLs and files one after the other, and prints the results. */
export async function probe(names: readonly string[], options: ProbeOptions, context: Context): Promise<ExitCode> {
  checkArguments(names, options);
  const files = new Map<string, LocalFile>();
  const hasFiles = names.some(isFile);
  const { client, lastCause, close } = await openService(options, context, 1, hasFiles ? files : undefined);
  const depth = colourDepthOf(process.stdout, context);

  async function describeFile(file: FileArgument): Promise<Outcome> {
    const opened = await openFile(file);
    files.set(opened.href, opened);
    try {
      return await describeUrl(client, opened.href, options.deadlineMs);
    } finally {
      files.delete(opened.href);
      await opened.close();
    }
  }

  let exitCode: ExitCode = exitCodes.ok;
  try {
    for (const name of names) {
      try {
        const file = parseFileArgument(name);
        const outcome = await (file ? describeFile(file) : describeUrl(client, name, options.deadlineMs));
        if ("problem" in outcome) exitCode = exitCodes.failed;
        printOutcome(name, outcome, options, depth, file ? null : lastCause());
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        exitCode = exitCodes.failed;
        printFileError(name, error, options);
      }
    }
  } finally {
    await close();
  }
  return exitCode;
}

function isFile(name: string): boolean {
  return parseFileArgument(name) !== null;
}

function checkArguments(names: readonly string[], { server }: ProbeOptions): void {
  if (names.filter((name) => name === "-").length > 1) throw new UsageError("- is the standard input: name it once");
  const file = names.find(isFile);
  if (server !== undefined && file !== undefined) {
    throw new UsageError(`--server looks up URLs only, and ${file} is a file of this machine: leave --server out`);
  }
}

/** Prints a file that cannot be looked up; as JSON, a problem document (RFC 9457) without the status of a response. */
function printFileError(name: string, { message }: FileError, { json }: ProbeOptions): void {
  const detail = printable(`${name === "-" ? "The standard input" : name} ${message}`);
  if (!json) return void process.stderr.write(`media-oracle: ${detail}\n`);
  const problem = { type: "urn:media-oracle:problem:file_unreadable", title: "The file cannot be read" };
  printLine(JSON.stringify({ ...problem, code: "file_unreadable", detail, retryable: false }));
}

/** @param cause of the latest `source_unreachable`, if it is known */
function printOutcome(
  name: string,
  outcome: Outcome,
  { json, xml }: ProbeOptions,
  depth: ColourDepth,
  cause: string | null,
): void {
  const problem = "problem" in outcome ? outcome.problem : null;
  if (json) return printLine(JSON.stringify(problem ?? ("answer" in outcome && outcome.answer.metadata)));
  if ("problem" in outcome) {
    return void process.stderr.write(`${printable(`${name}: ${explainFailure(outcome.problem, cause)}`)}\n`);
  }
  const { metadata } = outcome.answer;
  if (xml) return printLine(outOfBandElement(isFile(name) ? metadata.url : name, metadata));
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
    cache: metadata.url.startsWith("file:") ? null : explainCacheStatus(cacheStatus),
    time: stages.join(", "),
    partial: metadata.partial ? "the deadline has passed: ask again for the other facts" : null,
    warning: metadata.warnings.map((code) => `${code}: ${warnings[code]}`).join("; ") || null,
  };
}
