import type { Command } from "commander";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

interface Completed {
  readonly name: string;
  readonly about: string;
  /** Flags, and the words that may come instead of one. */
  readonly words: readonly { readonly word: string; readonly about: string }[];
}

/** What can be said of each command, in the order of the help. */
function completedCommands(program: Command): Completed[] {
  return program.commands.map((command) => ({
    name: command.name(),
    about: command.description(),
    words: [
      ...command.commands.map((child) => ({ word: child.name(), about: child.description() })),
      ...command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices.map((word) => ({ word, about: "" }))),
      ...command.options.flatMap(({ long, hidden, description }) =>
        long && !hidden ? [{ word: long, about: description }] : [],
      ),
    ],
  }));
}

const quoted = (text: string): string => `'${text.replaceAll("'", "")}'`;

function bash(commands: readonly Completed[]): string {
  const cases = commands.map(({ name, words }) => `    ${name}) words="${words.map(({ word }) => word).join(" ")}" ;;`);
  return `_media_oracle() {
  local current=\${COMP_WORDS[COMP_CWORD]} words
  case \${COMP_CWORD}:\${COMP_WORDS[1]} in
    1:*) words="${commands.map(({ name }) => name).join(" ")}" ;;
  esac
  [ "$COMP_CWORD" -gt 1 ] && case \${COMP_WORDS[1]} in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _media_oracle media-oracle
`;
}

function zsh(commands: readonly Completed[]): string {
  // A colon ends the word that is described.
  const described = (word: string, about: string) => quoted(`${word}:${about}`);
  const cases = commands.map(
    ({ name, words }) =>
      `    ${name}) choices=(${words.map(({ word, about }) => described(word, about)).join(" ")}) ;;`,
  );
  return `#compdef media-oracle
_media_oracle() {
  local -a choices
  if (( CURRENT == 2 )); then
    choices=(${commands.map(({ name, about }) => described(name, about)).join(" ")})
  else
    case $words[2] in
${cases.join("\n")}
    esac
  fi
  _describe media-oracle choices || _files
}
compdef _media_oracle media-oracle
`;
}

function fish(commands: readonly Completed[]): string {
  const lines = commands.flatMap(({ name, about, words }) => [
    `complete -c media-oracle -n __fish_use_subcommand -f -a ${name} -d ${quoted(about)}`,
    ...words.map(({ word, about }) => {
      const what = word.startsWith("--") ? `-l ${word.slice(2)}` : `-f -a ${word}`;
      return `complete -c media-oracle -n '__fish_seen_subcommand_from ${name}' ${what} -d ${quoted(about)}`;
    }),
  ]);
  return `${lines.join("\n")}\n`;
}

const writers: Readonly<Record<Shell, (commands: readonly Completed[]) => string>> = { bash, zsh, fish };

/** A script for the shell's startup file that completes commands and flags; it starts no process of ours. */
export function completionScript(program: Command, shell: Shell): string {
  return writers[shell](completedCommands(program));
}
