/** `npm run reference`: generates the reference tables of docs/ from the code. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Command, Help } from "commander";
import { format, resolveConfig } from "prettier";
import { unreachableCauses } from "../src/cli/failure-cause.ts";
import { createProgram } from "../src/cli/program.ts";
import { explainProblem } from "../src/client/words.ts";
import { settingsHelp } from "../src/config.ts";
import { decodeTimeoutCauses } from "../src/domain/decode-timeout.ts";
import { failures, OracleError, unreachableReasons } from "../src/domain/errors.ts";
import { warnings } from "../src/domain/metadata.ts";
import { idleGauges } from "../src/http/gauges.ts";
import { createMetrics } from "../src/http/metrics.ts";

const pathOf = (file: string): string => fileURLToPath(new URL(`../docs/${file}`, import.meta.url));

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

// Some defaults depend on the machine: the table shows those of a large one.
const largeMachine = { version: "VERSION", processors: 64, memoryBytes: 2 ** 40, readFile: () => "" };

// Read by Node itself.
const certificatesVariable = {
  variable: "NODE_EXTRA_CA_CERTS",
  fallback: "",
  about: "Node's own: file (PEM) of certificate authorities that are trusted besides the public ones",
};

const settingsTable = table(
  ["variable", "default", "meaning"],
  [...settingsHelp(largeMachine), certificatesVariable].map(({ variable, fallback, about }) => [
    `\`${variable}\``,
    fallback === "" ? "none" : `\`${fallback}\``,
    about,
  ]),
);

const causesTable = table(
  ["`reason`", "cause"],
  Object.entries(unreachableCauses).map(([reason, cause]) => [`\`${reason}\``, cause]),
);

const failuresTable = table(
  ["status", "code", "retryable", "meaning and advice"],
  (Object.keys(failures) as (keyof typeof failures)[])
    .sort((one, other) => failures[one].status - failures[other].status)
    .map((code) => [
      String(failures[code].status),
      `\`${code}\``,
      code === "source_status" ? "depends on `upstreamStatus`" : failures[code].retryable ? "yes" : "no",
      explainProblem({ code, title: failures[code].title }),
    ]),
);

const warningsTable = table(
  ["code", "meaning"],
  Object.entries(warnings).map(([code, sentence]) => [`\`${code}\``, sentence]),
);

const decodeTimeoutsTable = table(
  ["cause", "meaning"],
  Object.entries(decodeTimeoutCauses).map(([cause, sentence]) => [`\`${cause}\``, sentence]),
);

/** Lists our own metrics from the Prometheus text, each with its labels. */
async function metricsTable(): Promise<string> {
  const gauge = (): number => 0;
  const shared = { isWell: () => true, calls: gauge, failures: gauge, answers: gauge };
  const metrics = createMetrics({ ...idleGauges, enabled: () => ({ jpeg: true }), shared });
  metrics.requested("anonymous");
  for (const code of ["url_invalid", "url_unsupported", "rate_limited"] as const) metrics.refused(code);
  for (const reason of unreachableReasons) metrics.failed(new OracleError("source_unreachable", "", { reason }), {});
  metrics.described("success", "image/jpeg", { decode: 1 });
  const text = await metrics.text();
  const headers = text.matchAll(/^# HELP (media_oracle_\S+) (.+)\n# TYPE \S+ (\w+)$/gm);
  const rows = Array.from(headers, ([, name = "", help = "", kind = ""]) => {
    const labels = [...text.matchAll(new RegExp(`^${name}(?:_bucket)?\\{(.+)\\}`, "gm"))].flatMap(
      ([, pairs = ""]) => pairs.match(/\w+(?==")/g) ?? [],
    );
    const own = new Set(labels.filter((label) => label !== "le").map((label) => `\`${label}\``));
    return [`\`${name}\``, kind, [...own].join(", "), help];
  });
  return table(["metric", "type", "labels", "meaning"], rows);
}

/** Returns the help of all commands without the settings, which are in docs/settings.md. */
function commandsText(): string {
  const machine = largeMachine;
  const context = { environment: {}, machine, maxDescriptors: Infinity, commit: null, decoderEnvironment: {} };
  const program = createProgram(context, () => undefined);
  const settingFlags = new Set(settingsHelp(largeMachine).map(({ flag }) => `--${flag}`));
  const visibleOptions = (command: Command) =>
    new Help().visibleOptions(command).filter(({ long }) => !settingFlags.has(long ?? ""));
  return [program, ...program.commands]
    .map((command) => command.configureHelp({ helpWidth: 100, visibleOptions }).helpInformation().trim())
    .map((text) => `\`\`\`text\n${text}\n\`\`\``)
    .join("\n\n");
}

/** The generated parts, by file and marker comment. */
const parts: Readonly<Record<string, Readonly<Record<string, () => string | Promise<string>>>>> = {
  "settings.md": { settings: () => settingsTable },
  "answers.md": { failures: () => failuresTable, warnings: () => warningsTable },
  "operations.md": { causes: () => causesTable },
  "metrics.md": { metrics: metricsTable, decodeTimeouts: () => decodeTimeoutsTable },
  "commands.md": { commands: commandsText },
};

export const referenceFiles = Object.keys(parts);

export function readReference(file: string): string {
  return readFileSync(pathOf(file), "utf8");
}

/** Returns a file of docs/ with up-to-date generated parts. */
export async function withParts(file: string): Promise<string> {
  let text = readReference(file);
  for (const [name, make] of Object.entries(parts[file] ?? {})) {
    const block = new RegExp(`<!-- ${name} -->[^]*?<!-- /${name} -->`);
    if (!block.test(text)) throw new Error(`docs/${file} has no marker comments for ${name}`);
    const made = await make();
    text = text.replace(block, () => `<!-- ${name} -->\n\n${made}\n\n<!-- /${name} -->`);
  }
  return format(text, { ...(await resolveConfig(pathOf(file))), parser: "markdown" });
}

const { homepage } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  homepage: string;
};
const runbookBase = `${homepage}/blob/main/docs/metrics.md`;

export const alertsFile = fileURLToPath(new URL("../deploy/observability/alerts.yml", import.meta.url));

/** Returns the alert rules, each with the URL of its section in docs/metrics.md. */
export function withRunbooks(rules: string): string {
  const withoutUrls = rules.replaceAll(/^ *runbook_url: .*\n/gm, "");
  return withoutUrls.replaceAll(
    /- alert: (\w+)[^]*?\n( *)summary: .*\n/g,
    (rule, name: string, indent: string) => `${rule}${indent}runbook_url: ${runbookBase}#${name.toLowerCase()}\n`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const file of referenceFiles) writeFileSync(pathOf(file), await withParts(file));
  writeFileSync(alertsFile, withRunbooks(readFileSync(alertsFile, "utf8")));
}
