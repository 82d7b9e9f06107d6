/**
 * Runs every check and prints `N passed, N failed, N skipped` at the end; a linter or compiler run counts as one check.
 *
 * With MEDIA_ORACLE_TEST_STRICT=1 a check fails instead of being skipped.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Count {
  passed: number;
  failed: number;
  skipped: number;
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

function run(command: string, args: string[]): { ok: boolean; output: string } {
  const { status, stdout } = spawnSync(command, args, { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
  process.stdout.write(stdout);
  return { ok: status === 0, output: stdout };
}

function has(command: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
}

function check(name: string, command: string, args: string[]): void {
  console.log(`\n== ${name}`);
  const { ok } = run(command, args);
  add(name, { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 });
}

/** Counts a check as skipped because its command is not installed. */
function skip(name: string, command: string): void {
  console.log(`\n== ${name}: skipped, ${command} is not installed`);
  add(name, { passed: 0, failed: strict ? 1 : 0, skipped: strict ? 0 : 1 });
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

function runBusted(): void {
  const name = "Lua specs";
  if (!has("busted")) return skip(name, "busted");
  console.log(`\n== ${name}`);
  // Lua 5.4, as Debian's Prosody uses: its native modules are built for that version.
  const { ok, output } = run("busted", ["--lua=/usr/bin/lua5.4", "--output=plainTerminal", "prosody/spec"]);
  const [, passed = 0, failed = 0, errors = 0, pending = 0] =
    /(\d+) success\w* \/ (\d+) failures? \/ (\d+) errors? \/ (\d+) pending/.exec(output)?.map(Number) ?? [];
  add(name, { passed, failed: failed + errors || (ok && passed > 0 ? 0 : 1), skipped: pending });
}

function luaFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".lua"))
    .map((file) => join(folder, file));
}

check("lint", "npx", ["eslint", "."]);
check("format", "npx", ["prettier", "--check", "--log-level=warn", "."]);
check("types", "npx", ["tsc", "-p", "."]);
check("types of the page", "npx", ["tsc", "-p", "page"]);
check("types of the Converse.js plugin", "npx", ["tsc", "-p", "clients/converse-media-metadata"]);
check("openapi.yaml", "npx", ["redocly", "lint", "openapi.yaml"]);
if (has("luacheck")) check("luacheck", "luacheck", ["--no-color", ...luaFiles("prosody"), ...luaFiles("examples")]);
else skip("luacheck", "luacheck");
runBusted();
runTests();

console.log(`\n${lines.join("\n")}\n\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
