/**
 * Runs every check and closes with `N passed, N failed, N skipped`; a check that is not a test counts as one.
 *
 * With MEDIA_ORACLE_TEST_STRICT=1 whatever would be skipped fails.
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

/** What a machine may lack. */
function skip(name: string, command: string): void {
  console.log(`\n== ${name}: skipped, there is no ${command} here`);
  add(name, { passed: 0, failed: strict ? 1 : 0, skipped: strict ? 0 : 1 });
}

function tests(): void {
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
    const found = JSON.parse(readFileSync(report, "utf8")) as {
      numPassedTests: number;
      numFailedTests: number;
      numPendingTests: number;
      numTodoTests: number;
    };
    const skipped = found.numPendingTests + found.numTodoTests;
    const failed = found.numFailedTests + (strict ? skipped : 0);
    // A run can fail with no test that failed: a file that does not load, an error between two tests.
    const otherwise = status !== 0 && failed === 0 ? 1 : 0;
    add("tests", { passed: found.numPassedTests, failed: failed + otherwise, skipped: strict ? 0 : skipped });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function busted(): void {
  const name = "Lua specs";
  if (!has("busted")) return skip(name, "busted");
  console.log(`\n== ${name}`);
  // On the Lua that Debian's Prosody runs on, since parts of it are built for that.
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
check("openapi.yaml", "npx", ["redocly", "lint", "openapi.yaml"]);
if (has("luacheck")) check("luacheck", "luacheck", ["--no-color", ...luaFiles("prosody")]);
else skip("luacheck", "luacheck");
busted();
tests();

console.log(`\n${lines.join("\n")}\n\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
