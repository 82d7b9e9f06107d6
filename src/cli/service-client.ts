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
import { problemWords } from "../client/words.ts";
import { ConfigError } from "../config.ts";
import { type Context, surroundingsFor } from "./context.ts";
import { UnavailableError, UsageError } from "./exit.ts";
import { addSettings, readConfig } from "./settings.ts";

/** Options of all commands that ask. */
export interface ServerOptions {
  readonly server?: string;
  readonly verbose?: true;
}

/** Of those that ask about URLs. */
export interface AskingOptions extends ServerOptions {
  readonly deadlineMs?: number;
}

export type Client = ReturnType<typeof createClient>;

/** Whom the commands ask: a service, or one of their own within this process. */
export interface Asked {
  readonly client: Client;
  /** How it is reached, for what the client does not ask. */
  readonly at: ClientOptions;
  readonly close: () => Promise<void>;
}

/** What is known of a URL, or why nothing is. */
export type Outcome = { readonly answer: Answer } | { readonly problem: Problem; readonly retryAfterMs: number | null };

/** From 1 on. */
export function wholeNumber(flags: string, about: string): Option {
  return new Option(flags, about).argParser((text) => {
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`${flags}: ${text} is not a whole number above 0`);
    return Number(text);
  });
}

/** Gives a command the flags that say whom to ask. */
export function addServerOptions(command: Command, context: Context): Command {
  command
    .option(
      "--server <url>",
      "ask this service instead of one here; its token is MEDIA_ORACLE_TOKEN or in MEDIA_ORACLE_TOKEN_FILE",
    )
    .option("--verbose", "log to stderr what is done, with the reasons that callers are not told");
  return addSettings(command, context, false);
}

/** The same, for a command that asks about URLs. */
export function addAskingOptions(command: Command, context: Context): Command {
  command.addOption(wholeNumber("--deadline-ms <n>", "take what is known by then"));
  return addServerOptions(command, context);
}

/** The service's token. No flag: a command line can be read by every user of the machine. */
function readToken({ environment, machine }: Context): string | undefined {
  const { MEDIA_ORACLE_TOKEN: token, MEDIA_ORACLE_TOKEN_FILE: file } = environment;
  if (token && file) throw new ConfigError(["MEDIA_ORACLE_TOKEN and MEDIA_ORACLE_TOKEN_FILE are both set"]);
  if (!file) return token === "" ? undefined : token;
  try {
    return machine.readFile(file).trim();
  } catch {
    throw new ConfigError(["MEDIA_ORACLE_TOKEN_FILE names a file that cannot be read"]);
  }
}

function openServer(server: string, context: Context): Asked {
  if (!/^https?:\/\//.test(server) || !URL.canParse(server)) throw new UsageError(`--server ${server} is not a URL`);
  const token = readToken(context);
  const at = { baseUrl: server, token };
  return { client: createClient(at), at, close: () => Promise.resolve() };
}

/**
 * Puts together the very service that would answer, guard and all, and asks it without a socket. Nobody but this process can, so
 * it needs no token; what it learns is forgotten, unless a shared cache is set.
 */
async function openHere(options: ServerOptions, context: Context, maxDecoders: number): Promise<Asked> {
  // Whoever asks a service at other times has its token set; the settings do not know of it.
  const { MEDIA_ORACLE_TOKEN, MEDIA_ORACLE_TOKEN_FILE, ...environment } = context.environment;
  // Nothing listens, so it does not matter who could reach it.
  const config = readConfig({ ...options, host: "127.0.0.1" }, { ...context, environment });
  const { compose } = await import("../compose.ts");
  const service = await compose(
    {
      ...config,
      TOKENS: [],
      TOKEN_KEY: null,
      RATE_LIMIT: null,
      CACHE_FILE: null,
      DECODERS: Math.min(config.DECODERS, maxDecoders),
    },
    { ...surroundingsFor(context, createStderrLogger(options.verbose === true)), collector: null },
  );
  await service.start();
  const at: ClientOptions = {
    baseUrl: "http://localhost",
    async fetch(url, { method = "GET", headers, body }) {
      const {
        statusCode,
        headers: answered,
        body: text,
      } = await service.app.inject({
        method: method as "POST",
        url: url.pathname,
        headers: Object.fromEntries(new Headers(headers)),
        payload: body as string,
      });
      return new Response(text, { status: statusCode, headers: answered as Record<string, string> });
    },
  };
  return { client: createClient(at), at, close: () => service.close() };
}

function createStderrLogger(isVerbose: boolean): Logger {
  return pino({ level: isVerbose ? "debug" : "silent" }, pino.destination({ dest: 2, sync: true }));
}

/** @param maxDecoders as many as the command can keep busy */
export async function openAsked(options: ServerOptions, context: Context, maxDecoders: number): Promise<Asked> {
  return options.server === undefined ? openHere(options, context, maxDecoders) : openServer(options.server, context);
}

/**
 * Asks about one URL.
 *
 * @throws UnavailableError where it is no use to ask about any other
 */
export async function ask(client: Client, url: string, deadlineMs: number | undefined): Promise<Outcome> {
  try {
    return { answer: await client.describe(url, { deadlineMs }) };
  } catch (error) {
    if (error instanceof NoAnswerError) throw new UnavailableError(error.message, { cause: error });
    if (!(error instanceof ProblemError)) throw error;
    const { problem, retryAfterMs } = error;
    if (problem.code === "unauthorized" || problem.code === "route_unknown") {
      throw new UnavailableError(problemWords(problem), { cause: error });
    }
    return { problem, retryAfterMs };
  }
}
