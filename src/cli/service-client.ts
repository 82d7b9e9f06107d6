import { Command, Option } from "commander";
import { type Logger, pino } from "pino";
import {
  type Answer,
  type ClientOptions,
  createClient,
  NoAnswerError,
  type Problem,
  ProblemError,
} from "../client/client.ts";
import { explainProblem } from "../client/words.ts";
import { ConfigError } from "../config.ts";
import type { LocalFiles } from "../domain/local-file.ts";
import { type Context, dependenciesFor } from "./context.ts";
import { UnavailableError, UsageError } from "./exit.ts";
import { causeOf } from "./failure-cause.ts";
import { addSettings, readConfig } from "./settings.ts";
import { colourDepthOf } from "./terminal.ts";
import { boundYoungGeneration } from "./young-generation.ts";

/** Options of all commands that call a service. */
export interface ServerOptions {
  readonly server?: string;
  readonly verbose?: true;
}

/** Options of the commands that look up URLs. */
export interface LookupOptions extends ServerOptions {
  readonly deadlineMs?: number;
}

export type Client = ReturnType<typeof createClient>;

/** A service that commands call: over HTTP, or within this process. */
export interface ServiceConnection {
  readonly client: Client;
  /** For requests that the client has no method for. */
  readonly options: ClientOptions;
  /** Cause of the latest `source_unreachable`; null if there was none, or if the service is another process. */
  readonly lastCause: () => string | null;
  readonly close: () => Promise<void>;
}

const noFiles: LocalFiles = new Map();

/** The answer for a URL, or the problem. */
export type Outcome = { readonly answer: Answer } | { readonly problem: Problem; readonly retryAfterMs: number | null };

/** Makes an option that takes an integer from 1. */
export function positiveInteger(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`${flags}: ${text} is not a positive integer`);
    return Number(text);
  });
}

/** Adds the flags that choose the service. */
export function addServerOptions(command: Command, context: Context): Command {
  command
    .option(
      "--server <url>",
      "use this service instead of one within this process; its token: MEDIA_ORACLE_TOKEN or MEDIA_ORACLE_TOKEN_FILE",
    )
    .option("--verbose", "log to stderr, with the reasons that the API does not reveal");
  return addSettings(command, context, false);
}

/** Adds the flags of a command that looks up URLs. */
export function addLookupOptions(command: Command, context: Context): Command {
  command.addOption(positiveInteger("--deadline-ms <n>", "return the facts known after so many milliseconds"));
  return addServerOptions(command, context);
}

/** Reads the service's token. Not a flag: every user of the machine can read command lines. */
function readToken({ environment, machine }: Context): string | undefined {
  const { MEDIA_ORACLE_TOKEN: token, MEDIA_ORACLE_TOKEN_FILE: file } = environment;
  if (token && file)
    throw new ConfigError(["MEDIA_ORACLE_TOKEN and MEDIA_ORACLE_TOKEN_FILE are both set: set only one"]);
  if (!file) return token === "" ? undefined : token;
  try {
    return machine.readFile(file).trim();
  } catch {
    throw new ConfigError(["MEDIA_ORACLE_TOKEN_FILE cannot be read: check its path and permissions"]);
  }
}

function openServer(server: string, context: Context): ServiceConnection {
  if (!/^https?:\/\//.test(server) || !URL.canParse(server)) {
    throw new UsageError(`--server ${server} is not an http(s) URL`);
  }
  const token = readToken(context);
  const options = { baseUrl: server, token };
  return { client: createClient(options), options, lastCause: () => null, close: () => Promise.resolve() };
}

/**
 * Composes the whole service, SSRF guard included, within this process and calls it without a socket. Only this process can
 * call it, so it needs no token. Its results are lost at the end, unless a shared cache is set.
 */
async function openInProcess(
  options: ServerOptions,
  context: Context,
  maxDecoders: number,
  files: LocalFiles,
): Promise<ServiceConnection> {
  // A user of --server may have the token of a service set; it is not a setting.
  const { MEDIA_ORACLE_TOKEN, MEDIA_ORACLE_TOKEN_FILE, ...environment } = context.environment;
  // Nothing listens: the rule that other hosts need tokens does not apply.
  const config = readConfig({ ...options, host: "127.0.0.1" }, { ...context, environment });
  const { compose } = await import("../compose.ts");
  const log = openLog(options.verbose ? await createLogWriter(context) : () => undefined);
  const service = await compose(
    {
      ...config,
      TOKENS: [],
      TOKEN_KEY: null,
      RATE_LIMIT: null,
      CACHE_FILE: null,
      // Other machines have other files with the same path.
      REDIS_URL: files === noFiles ? config.REDIS_URL : null,
      DECODERS: Math.min(config.DECODERS, maxDecoders),
    },
    { ...dependenciesFor(context, log.logger), collector: null, files },
  );
  await service.start();
  boundYoungGeneration();
  const clientOptions: ClientOptions = {
    baseUrl: "http://localhost",
    async fetch(url, { method = "GET", headers, body }) {
      const response = await service.app.inject({
        method: method as "POST",
        url: url.pathname,
        headers: Object.fromEntries(new Headers(headers)),
        payload: body as string,
      });
      return new Response(response.body, {
        status: response.statusCode,
        headers: response.headers as Record<string, string>,
      });
    },
  };
  const client = createClient(clientOptions);
  return { client, options: clientOptions, lastCause: log.lastCause, close: () => service.close() };
}

/** Writes log lines to stderr: for people if it is a terminal, else as JSON. */
async function createLogWriter(context: Context): Promise<(line: string) => void> {
  const { stderr } = process;
  if (!stderr.isTTY) {
    const destination = pino.destination({ dest: 2, sync: true });
    return (line) => void destination.write(line);
  }
  // Bundled, a CommonJS module has the default export alone.
  const { default: pretty } = await import("pino-pretty");
  const prettify = pretty.prettyFactory({ colorize: colourDepthOf(stderr, context) > 1 });
  return (line) => void stderr.write(prettify(line));
}

/** Opens the log of a service within this process: written, and read for the causes of failures. */
function openLog(
  writeLine: (line: string) => void,
): { readonly logger: Logger } & Pick<ServiceConnection, "lastCause"> {
  let lastCause: string | null = null;
  const write = (line: string) => {
    writeLine(line);
    lastCause = causeOf(line) ?? lastCause;
  };
  // Failures from the cache are logged at debug: without their lines, the cause would be that of another URL.
  return { logger: pino({ level: "debug" }, { write }), lastCause: () => lastCause };
}

/**
 * Opens the service of `--server`, or one within this process.
 *
 * @param maxDecoders number of lookups that the command runs at once
 * @param files that can be looked up; only within this process
 */
export async function openService(
  options: ServerOptions,
  context: Context,
  maxDecoders: number,
  files: LocalFiles = noFiles,
): Promise<ServiceConnection> {
  return options.server === undefined
    ? openInProcess(options, context, maxDecoders, files)
    : openServer(options.server, context);
}

/**
 * Looks up one URL.
 *
 * @throws UnavailableError if the lookups of other URLs would fail too
 */
export async function describeUrl(client: Client, url: string, deadlineMs: number | undefined): Promise<Outcome> {
  try {
    return { answer: await client.describe(url, { deadlineMs }) };
  } catch (error) {
    if (error instanceof NoAnswerError) throw new UnavailableError(error.message, { cause: error });
    if (!(error instanceof ProblemError)) throw error;
    const { problem, retryAfterMs } = error;
    if (problem.code === "unauthorized") {
      throw new UnavailableError(`${explainProblem(problem)} Set it as MEDIA_ORACLE_TOKEN.`, { cause: error });
    }
    if (problem.code === "route_unknown") throw new UnavailableError(explainProblem(problem), { cause: error });
    return { problem, retryAfterMs };
  }
}
