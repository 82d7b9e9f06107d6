import { Argument, Command, CommanderError, Option } from "commander";
import { checkFiles, ConfigError } from "../config.ts";
import { addLookupOptions, addServerOptions, positiveInteger } from "./service-client.ts";
import type { BatchOptions } from "./batch.ts";
import { completionScript, type Shell, shells } from "./completion.ts";
import { configText } from "./config.ts";
import type { Context } from "./context.ts";
import { type ExitCode, exitCodes, UnavailableError, UsageError } from "./exit.ts";
import { checkHealth } from "./health.ts";
import type { ProbeOptions } from "./probe.ts";
import { addSettings, readConfig } from "./settings.ts";
import { makeToken } from "./token.ts";
import type { VersionOptions } from "./version.ts";

// Large modules are imported by the command that needs them.

// The default of MEDIA_ORACLE_PER_HOST.
const defaultConcurrency = 16;

const exitCodesHelp = `
Exit codes: 0 success; 1 a lookup failed, a file cannot be read, or another error; 2 invalid command line; 69 a service or port is unavailable; 78 invalid settings.
Data goes to stdout, messages to stderr. NO_COLOR is supported.`;

type Settings = Readonly<Record<string, unknown>>;

/** Defines the command line. An action reports its exit code with `exit`; the default is 0. */
export function createProgram(context: Context, exit: (code: ExitCode) => void): Command {
  const print = (text: string): void => void process.stdout.write(text);
  const program = new Command("media-oracle")
    .description("Describes media URLs: size, type, dimensions and a blurhash.")
    .version(context.machine.version)
    .exitOverride()
    .showHelpAfterError("(media-oracle --help)")
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "media-oracle: ")) })
    .addHelpText("after", exitCodesHelp);

  const serve = program.command("serve", { isDefault: true }).description("run the HTTP service (the default)");
  addSettings(serve, context, true).action(async (options: Settings) => {
    const config = readConfig(options, context);
    await (await import("./serve.ts")).serve(config, context);
  });

  const probe = program
    .command("probe")
    .description("look up URLs and files, and print the metadata for people")
    .argument("<name...>", "URLs, files of this machine, or - for the standard input")
    .addOption(new Option("--json", "print JSON as the API returns it, one line per URL or file").conflicts("xml"))
    .option("--xml", "print XML as the chat server adds it to a stanza");
  addExample(probe, "https://example.org/picture.jpg");
  addLookupOptions(probe, context).action(async (names: string[], options: ProbeOptions) => {
    exit(await (await import("./probe.ts")).probe(names, options, context));
  });

  const batch = program
    .command("batch")
    .description("look up the URLs of a file, and write results as they arrive, as NDJSON")
    .argument("[file]", "one URL per line, as plain text or JSON; - is the standard input", "-")
    .addOption(positiveInteger("--concurrency <n>", "number of concurrent lookups").default(defaultConcurrency))
    .option("--output <file>", "write to this file instead of stdout")
    .option("--resume", "continue --output: skip final results, retry the others");
  addExample(batch, "urls.txt --output answers.ndjson");
  addLookupOptions(batch, context).action(async (file: string, options: BatchOptions, command: Command) => {
    // Without a file on a terminal, it would silently wait for URLs to be typed.
    if (command.args.length === 0 && process.stdin.isTTY) command.error("error: missing argument 'file'");
    exit(await (await import("./batch.ts")).batch(file, options, context));
  });

  const health = program
    .command("health")
    .description("exit with 0 if the service on this machine is ready, else with 1");
  // main.ts runs a plain one without this file; here are its help, its other flags and the faults of its settings.
  addSettings(health, context, false).action(async (options: Settings) => {
    const { HOST, PORT } = readConfig(options, context);
    exit(await checkHealth({ host: HOST, port: PORT }));
  });

  const token = program
    .command("token")
    .description("print a token for one chat host, signed with MEDIA_ORACLE_TOKEN_KEY")
    .argument("<name>", "appears in logs and metrics; MEDIA_ORACLE_REVOKED_TOKENS revokes it")
    .option("--expires <span>", "lifetime, like 90d; default: the token does not expire")
    .action((name: string, { expires }: { expires?: string }) =>
      print(`${makeToken(readConfig({}, context), name, expires)}\n`),
    );

  addExample(token, "chat.example.org --expires 90d");

  const config = program
    .command("config")
    .description("print or check the settings")
    .addArgument(new Argument("<print|check>", "print the settings, or only check them").choices(["print", "check"]));
  addExample(config, "check");
  addSettings(config, context, false).action(async (action: string, options: Settings) => {
    const settings = readConfig(options, context);
    if (action === "print") return print(configText(options, context));
    await checkFiles(settings);
    process.stderr.write("The settings are valid.\n");
  });

  program
    .command("openapi")
    .description("print the OpenAPI document")
    .action(async () => {
      const { openapiDocument } = await import("../http/document.ts");
      print(`${JSON.stringify(await openapiDocument(context.machine.version), null, 2)}\n`);
    });

  const completion = program
    .command("completion")
    .description("print a completion script for the shell's startup file")
    .addArgument(new Argument("<shell>").choices(shells))
    .action((shell: Shell) => print(completionScript(program, shell)));

  addExample(completion, "bash > /etc/bash_completion.d/media-oracle");

  const version = program
    .command("version")
    .description("print the version, the commit, the versions of Node and libvips, and the enabled formats")
    .option("--json", "print JSON as the API returns it");
  addServerOptions(version, context).action(async (options: VersionOptions) => {
    print(`${await (await import("./version.ts")).versionText(options, context)}\n`);
  });

  return program;
}

/** Adds an example to the help of a command, and to its errors together with its usage. */
function addExample(command: Command, example: string): void {
  const text = `Example: media-oracle ${command.name()} ${example}`;
  command
    .addHelpText("after", `\n${text}`)
    .showHelpAfterError(`Usage: media-oracle ${command.name()} ${command.usage()}\n${text}`);
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof ConfigError) return exitCodes.configuration;
  if (error instanceof UsageError) return exitCodes.usage;
  return error instanceof UnavailableError ? exitCodes.unavailable : exitCodes.failed;
}

/**
 * Runs a command line to its end; `serve` keeps running after it has started to listen.
 *
 * @param args without the program's own name
 */
export async function run(args: readonly string[], context: Context): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.ok;
  const program = createProgram(context, (code) => (exitCode = code));
  try {
    const [first = "serve"] = args;
    // Commander would take it for an argument of the default command.
    if (!first.startsWith("-") && !program.commands.some((command) => command.name() === first) && first !== "help") {
      throw new UsageError(`unknown command ${first} (media-oracle --help)`);
    }
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has printed its own message.
    if (!(error instanceof CommanderError)) {
      process.stderr.write(`media-oracle: ${error instanceof Error ? error.message : String(error)}\n`);
    }
    return exitCodeOf(error);
  }
}
