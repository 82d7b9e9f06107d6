import type { Command } from "commander";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  /** Flags, subcommands and choices of arguments. */
  readonly words: readonly { readonly word: string; readonly description: string }[];
}

interface CompletedOption {
  readonly flag: string;
  readonly values: readonly string[];
}

/** Lists the options with a closed list of values; each has the same list in all commands. */
function listChoices(program: Command): CompletedOption[] {
  const options = program.commands.flatMap(({ options }) => options);
  const choices = options.flatMap(({ long, argChoices }): [string, CompletedOption][] =>
    long && argChoices ? [[long, { flag: long, values: argChoices }]] : [],
  );
  return [...new Map(choices).values()];
}

/** Lists the commands in the order of the help. */
function listCommands(program: Command): CompletedCommand[] {
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    words: [
      ...command.commands.map((child) => ({ word: child.name(), description: child.description() })),
      ...command.registeredArguments.flatMap(({ argChoices = [] }) =>
        argChoices.map((word) => ({ word, description: "" })),
      ),
      ...command.options.flatMap(({ long, hidden, description }) =>
        long && !hidden ? [{ word: long, description }] : [],
      ),
    ],
  }));
}

const quoted = (text: string): string => `'${text.replaceAll("'", "")}'`;

function bash(commands: readonly CompletedCommand[], options: readonly CompletedOption[]): string {
  const values = options.map(({ flag, values }) => `    ${flag}) words="${values.join(" ")}" ;;`);
  const cases = commands.map(({ name, words }) => `    ${name}) words="${words.map(({ word }) => word).join(" ")}" ;;`);
  return `_media_oracle() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words
  case \${COMP_CWORD}:\${COMP_WORDS[1]} in
    1:*) words="${commands.map(({ name }) => name).join(" ")}" ;;
  esac
  [ "$COMP_CWORD" -gt 1 ] && case \${COMP_WORDS[1]} in
${cases.join("\n")}
  esac
  # bash splits --flag=value into three words.
  [ "$current" = = ] && current= || { [ "$previous" = = ] && previous=\${COMP_WORDS[COMP_CWORD-2]}; }
  case $previous in
${values.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _media_oracle media-oracle
`;
}

function zsh(commands: readonly CompletedCommand[], options: readonly CompletedOption[]): string {
  // _describe splits at the first colon.
  const described = (word: string, description: string) => quoted(`${word}:${description}`);
  const cases = commands.map(
    ({ name, words }) =>
      `    ${name}) choices=(${words.map(({ word, description }) => described(word, description)).join(" ")}) ;;`,
  );
  const values = options.map(({ flag, values }) => `    ${flag}) choices=(${values.map(quoted).join(" ")}) ;;`);
  return `#compdef media-oracle
_media_oracle() {
  local -a choices
  if (( CURRENT == 2 )); then
    choices=(${commands.map(({ name, description }) => described(name, description)).join(" ")})
  else
    case $words[2] in
${cases.join("\n")}
    esac
  fi
  case $words[CURRENT-1] in
${values.join("\n")}
  esac
  _describe media-oracle choices || _files
}
compdef _media_oracle media-oracle
`;
}

function fish(commands: readonly CompletedCommand[], options: readonly CompletedOption[]): string {
  const lines = commands.flatMap(({ name, description, words }) => [
    `complete -c media-oracle -n __fish_use_subcommand -f -a ${name} -d ${quoted(description)}`,
    ...words.map(({ word, description }) => {
      const choices = options.find(({ flag }) => flag === word)?.values;
      const argument = word.startsWith("--") ? `-l ${word.slice(2)}` : `-f -a ${word}`;
      return `complete -c media-oracle -n '__fish_seen_subcommand_from ${name}' ${argument} -d ${quoted(description)}${choices ? ` -x -a ${quoted(choices.join(" "))}` : ""}`;
    }),
  ]);
  return `${lines.join("\n")}\n`;
}

const writers: Readonly<
  Record<Shell, (commands: readonly CompletedCommand[], options: readonly CompletedOption[]) => string>
> = { bash, zsh, fish };

/** Returns a script for the shell's startup file that completes commands, flags and values of flags without starting media-oracle. */
export function completionScript(program: Command, shell: Shell): string {
  return writers[shell](listCommands(program), listChoices(program));
}
