/** `npm run formats`: writes docs/formats.md from the table of formats and from what the service says of the corpus. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { type Format, type FormatName, formats } from "../src/media/formats.ts";
import { accuracyHeader, accuracyTable, compareCorpus, doubtedReferences } from "../test/support/accuracy.ts";
import { knownIssues } from "./known-issues.ts";

const file = fileURLToPath(new URL("../docs/formats.md", import.meta.url));

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

function rowOf(name: FormatName, { type, readSize, decoding }: Format): string[] {
  const decoder = !decoding ? "" : "loader" in decoding ? "libvips" : "a reader";
  return [
    name,
    `\`${type}\``,
    decoding ? `\`${decoding.setting}\`` : "",
    readSize ? "yes" : "",
    decoder,
    knownIssues[name],
  ];
}

const comparisons = await compareCorpus();
const text = `# Formats

Made by \`npm run formats\` from the table in \`src/media/formats.ts\` and from real files with the truth about each.

## What is told of each

Of every format the type and the bytes; of what has a setting, the size and the hashes too, or the duration.

${table(
  ["format", "type", "setting", "size from the head", "pixels by", "known issues"],
  formats.map((row) => rowOf(row.name, row)),
)}

## How right it is

Over ${comparisons.length} real files, asked for over HTTP without a Content-Type. Sizes are as displayed. Durations are right within 50 ms or
a hundredth of what ffprobe says. The error of a hash is the mean absolute difference, of 255, between its picture and that of
the hash of all pixels, both 32 x 32.

${table(accuracyHeader, accuracyTable(comparisons))}

References that are not counted in the errors:

${Object.entries(doubtedReferences)
  .map(([name, why]) => `- \`${name.replace("media/", "")}\`: ${why}.`)
  .join("\n")}
`;
writeFileSync(file, await format(text, { ...(await resolveConfig(file)), parser: "markdown" }));
