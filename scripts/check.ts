/**
 * Runs every check and prints `N passed, N failed, N skipped` at the end; a linter or compiler run counts as one check.
 *
 * With MEDIA_ORACLE_TEST_STRICT=1 a check fails instead of being skipped.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

interface Result {
  name: string;
  count: Count;
  output: string;
}

const strict = process.env.MEDIA_ORACLE_TEST_STRICT === "1";
const total: Count = { passed: 0, failed: 0, skipped: 0 };
const lines: string[] = [];

function add(name: string, count: Count): void {
  total.passed += count.passed;
  total.failed += count.failed;
  total.skipped += count.skipped;
  lines.push(
    `${count.failed > 0 ? "FAILED " : "ok     "} ${name} (${count.passed}, ${count.failed}, ${count.skipped})`,
  );
}

/** Runs a command, and resolves to whether it succeeded and what it printed to both streams. */
async function run(command: string, args: string[]): Promise<{ ok: boolean; output: string }> {
  const child = spawn("sh", ["-c", 'exec "$0" "$@" 2>&1', command, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close") as Promise<[code: number | null]>;
  const output = await text(child.stdout);
  const [code] = await ended;
  return { ok: code === 0, output };
}

function has(command: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
}

async function check(name: string, command: string, args: string[]): Promise<Result> {
  if (!has(command)) return skip(name, command);
  const { ok, output } = await run(command, args);
  return { name, output, count: { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 } };
}

/** Counts a check as skipped because its command is not installed. */
function skip(name: string, command: string): Result {
  const count = { passed: 0, failed: strict ? 1 : 0, skipped: strict ? 0 : 1 };
  return { name, count, output: `skipped: ${command} is not installed\n` };
}

function runTests(): void {
  console.log("\n== tests");
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-check-"));
  const report = join(folder, "report.json");
  try {
    const { status } = spawnSync(
      "npx",
      ["vitest", "run", "--project=!slow", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`],
      {
        stdio: ["ignore", "inherit", "inherit"],
      },
    );
    if (!existsSync(report)) return add("tests", { passed: 0, failed: 1, skipped: 0 });
    const results = JSON.parse(readFileSync(report, "utf8")) as {
      numPassedTests: number;
      numFailedTests: number;
      numPendingTests: number;
      numTodoTests: number;
    };
    const skipped = results.numPendingTests + results.numTodoTests;
    const failed = results.numFailedTests + (strict ? skipped : 0);
    // A run can fail without a failed test: a file does not load, or an error occurs between two tests.
    const otherFailures = status !== 0 && failed === 0 ? 1 : 0;
    add("tests", { passed: results.numPassedTests, failed: failed + otherFailures, skipped: strict ? 0 : skipped });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function runBusted(): Promise<Result> {
  const name = "Lua specs";
  if (!has("busted")) return skip(name, "busted");
  // Lua 5.4, as Debian's Prosody uses: its native modules are built for that version.
  const { ok, output } = await run("busted", ["--lua=/usr/bin/lua5.4", "--output=plainTerminal", "prosody/spec"]);
  const [, passed = 0, failed = 0, errors = 0, pending = 0] =
    /(\d+) success\w* \/ (\d+) failures? \/ (\d+) errors? \/ (\d+) pending/.exec(output)?.map(Number) ?? [];
  return { name, output, count: { passed, failed: failed + errors || (ok && passed > 0 ? 0 : 1), skipped: pending } };
}

function luaFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".lua"))
    .map((file) => join(folder, file));
}

// All at once: each uses one core most of the time.
const results = [
  check("lint", "npx", ["eslint", "."]),
  check("format", "npx", ["prettier", "--check", "--log-level=warn", "."]),
  check("types", "npx", ["tsc", "-p", "."]),
  check("types of the page", "npx", ["tsc", "-p", "page"]),
  check("types of the Converse.js plugin", "npx", ["tsc", "-p", "clients/converse-media-metadata"]),
  check("openapi.yaml", "npx", ["redocly", "lint", "openapi.yaml"]),
  check("luacheck", "luacheck", ["--no-color", ...luaFiles("prosody"), ...luaFiles("examples")]),
  runBusted(),
];
for (const result of results) {
  const { name, count, output } = await result;
  console.log(`\n== ${name}\n${output}`);
  add(name, count);
}
runTests();

console.log(`\n${lines.join("\n")}\n\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
