/** `npm run reference`: writes the tables of README's reference part from the code that they describe. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { settingsHelp } from "../src/config.ts";
import { failures } from "../src/domain/errors.ts";
import { warnings } from "../src/domain/metadata.ts";

const readme = fileURLToPath(new URL("../README.md", import.meta.url));

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

// The defaults that depend on the machine are those of a large one: the table says so in words.
const largeMachine = { version: "VERSION", processors: 64, memoryBytes: 2 ** 40, readFile: () => "" };

const tables: Readonly<Record<string, string>> = {
  settings: table(
    ["variable", "default", "meaning"],
    settingsHelp(largeMachine).map(({ variable, fallback, about }) => [
      `\`${variable}\``,
      fallback === "" ? "none" : `\`${fallback}\``,
      about,
    ]),
  ),
  failures: table(
    ["status", "code", "title", "retryable"],
    Object.entries(failures)
      .sort(([, a], [, b]) => a.status - b.status)
      .map(([code, { status, title, retryable }]) => [
        String(status),
        `\`${code}\``,
        title,
        code === "source_status" ? "by its `upstreamStatus`" : retryable ? "yes" : "no",
      ]),
  ),
  warnings: table(
    ["code", "what it says"],
    Object.entries(warnings).map(([code, sentence]) => [`\`${code}\``, sentence]),
  ),
};

/** The README as it should be. */
export async function withTables(text: string): Promise<string> {
  const filled = Object.entries(tables).reduce((result, [name, rows]) => {
    const block = new RegExp(`<!-- ${name} -->[^]*?<!-- /${name} -->`);
    if (!block.test(result)) throw new Error(`README has no place for the table of ${name}`);
    return result.replace(block, () => `<!-- ${name} -->\n\n${rows}\n\n<!-- /${name} -->`);
  }, text);
  return format(filled, { ...(await resolveConfig(readme)), parser: "markdown" });
}

export function readReadme(): string {
  return readFileSync(readme, "utf8");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(readme, await withTables(readReadme()));
