import { Argument, Command, CommanderError, Option } from "commander";
import { ConfigError } from "../config.ts";
import { addAskingOptions, addServerOptions, wholeNumber } from "./asking.ts";
import type { BatchOptions } from "./batch.ts";
import { completionScript, type Shell, shells } from "./completion.ts";
import { configText } from "./config.ts";
import type { Context } from "./context.ts";
import { type ExitCode, exitCodes, UnavailableError, UsageError } from "./exit.ts";
import { isHealthy } from "./health.ts";
import type { ProbeOptions } from "./probe.ts";
import { addSettings, readConfig } from "./settings.ts";
import { makeToken } from "./token.ts";
import type { VersionOptions } from "./version.ts";

// What a command needs much of is loaded when it is asked for: a health check every ten seconds needs no decoder.

// As many as the service fetches from one host at once.
const defaultConcurrency = 16;

const exitCodesHelp = `
Exit codes: 0; 1 some URLs could not be described, or an error; 2 a wrong command line; 69 what is needed is not there; 78 wrong settings.
Data goes to stdout, all else to stderr. NO_COLOR is heeded.`;

type Settings = Readonly<Record<string, unknown>>;

/** The command line. An action tells how it ended by `exit`; without a word it went well. */
export function createProgram(context: Context, exit: (code: ExitCode) => void): Command {
  const print = (text: string): void => void process.stdout.write(text);
  const program = new Command("media-oracle")
    .description("Tells what a media URL is: bytes, type, dimensions and a blurhash.")
    .version(context.machine.version)
    .exitOverride()
    .showHelpAfterError("(media-oracle --help)")
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "media-oracle: ")) })
    .addHelpText("after", exitCodesHelp);

  const serve = program.command("serve", { isDefault: true }).description("answer over HTTP (the default)");
  addSettings(serve, context, true).action(async (options: Settings) => {
    const config = readConfig(options, context);
    await (await import("./serve.ts")).serve(config, context);
  });

  const probe = program
    .command("probe")
    .description("say what URLs are, in words for people")
    .argument("<url...>")
    .addOption(new Option("--json", "say it as the service does, a line a URL").conflicts("xml"))
    .option("--xml", "say it as a chat server adds it to a stanza");
  addAskingOptions(probe, context).action(async (urls: string[], options: ProbeOptions) => {
    exit(await (await import("./probe.ts")).probe(urls, options, context));
  });

  const batch = program
    .command("batch")
    .description("ask about every line of a file, and write answers as they come, as NDJSON")
    .argument("[file]", "a URL a line, as such or as JSON; - is the standard input", "-")
    .addOption(wholeNumber("--concurrency <n>", "asked at once").default(defaultConcurrency))
    .option("--output <file>", "write there instead of to stdout")
    .option("--resume", "go on with --output where it ended, and ask again what may go better now");
  addAskingOptions(batch, context).action(async (file: string, options: BatchOptions) => {
    exit(await (await import("./batch.ts")).batch(file, options, context));
  });

  const health = program
    .command("health")
    .description("exit with 0 where the service on this machine would answer, else with 1");
  addSettings(health, context, false).action(async (options: Settings) => {
    exit((await isHealthy(readConfig(options, context))) ? exitCodes.ok : exitCodes.failed);
  });

  program
    .command("token")
    .description("print a token for one chat host, signed with MEDIA_ORACLE_TOKEN_KEY")
    .argument("<name>", "told in logs and metrics, and to MEDIA_ORACLE_REVOKED_TOKENS")
    .option("--expires <span>", "from now, as in 90d; without it the token does not expire")
    .action((name: string, { expires }: { expires?: string }) =>
      print(`${makeToken(readConfig({}, context), name, expires)}\n`),
    );

  const config = program
    .command("config")
    .description("look at the settings")
    .addArgument(new Argument("<print|check>", "print them, or only check them").choices(["print", "check"]));
  addSettings(config, context, false).action((what: string, options: Settings) => {
    readConfig(options, context);
    if (what === "print") print(configText(options, context));
    else process.stderr.write("The settings can be used.\n");
  });

  program
    .command("openapi")
    .description("print the document of the API")
    .action(async () => {
      const { openapiDocument } = await import("../http/document.ts");
      print(`${JSON.stringify(await openapiDocument(context.machine.version), null, 2)}\n`);
    });

  program
    .command("completion")
    .description("print a script that completes commands and flags, for the shell's startup file")
    .addArgument(new Argument("<shell>").choices(shells))
    .action((shell: Shell) => print(completionScript(program, shell)));

  const version = program
    .command("version")
    .description("print version and commit, those of Node and libvips, and the formats that are looked into")
    .option("--json", "say it as the service does");
  addServerOptions(version, context).action(async (options: VersionOptions) => {
    print(`${await (await import("./version.ts")).versionText(options, context)}\n`);
  });

  return program;
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof ConfigError) return exitCodes.configuration;
  if (error instanceof UsageError) return exitCodes.usage;
  return error instanceof UnavailableError ? exitCodes.unavailable : exitCodes.failed;
}

/**
 * Runs a command line to its end; `serve` goes on when it has begun to listen.
 *
 * @param args without the program's own name
 */
export async function run(args: readonly string[], context: Context): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.ok;
  const program = createProgram(context, (code) => (exitCode = code));
  try {
    const [first = "serve"] = args;
    // Else it would be taken for an argument of the default command.
    if (!first.startsWith("-") && !program.commands.some((command) => command.name() === first) && first !== "help") {
      throw new UsageError(`there is no command ${first} (media-oracle --help)`);
    }
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has said it already.
    if (!(error instanceof CommanderError)) {
      process.stderr.write(`media-oracle: ${error instanceof Error ? error.message : String(error)}\n`);
    }
    return exitCodeOf(error);
  }
}
