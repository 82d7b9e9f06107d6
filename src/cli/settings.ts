import { type Command, Option } from "commander";
import { type Config, parseConfig, settingsHelp } from "../config.ts";
import type { Context } from "./context.ts";

type Options = Readonly<Record<string, unknown>>;

/** Adds a flag for each setting that is not a secret. */
export function addSettings(command: Command, { machine }: Context, isShown: boolean): Command {
  for (const { flag, variable, fallback, about, choices } of settingsHelp(machine)) {
    if (flag === null) continue;
    const option = new Option(`--${flag} <value>`, `${about} [${variable}${fallback && `, ${fallback}`}]`);
    // For the completion alone: a wrong value is a fault of the settings (78), not of the command line (2).
    if (choices.length > 0) option.argChoices = [...choices];
    command.addOption(isShown ? option : option.hideHelp());
  }
  return isShown
    ? command
    : command.addHelpText("after", "\nSettings: as flags (see `media-oracle serve --help`) or environment variables.");
}

/** Returns the options that are settings, by the flag's name. */
export function settingFlags(options: Options, { machine }: Context): Record<string, string> {
  const known = settingsHelp(machine).flatMap(({ flag }) => flag ?? []);
  const given = known.map((flag) => [
    flag,
    options[flag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())],
  ]);
  return Object.fromEntries(given.filter(([, value]) => typeof value === "string")) as Record<string, string>;
}

/** @throws ConfigError with all invalid settings at once */
export function readConfig(options: Options, context: Context): Config {
  return parseConfig(context.environment, settingFlags(options, context), context.machine);
}
