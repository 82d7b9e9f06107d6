import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const testFiles = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.ts"))
  .map((file) => [file, readFileSync(join(root, "test", file), "utf8")] as const);

// Small, without other requirements, and with cases from ../shared.
const dependentTest = "test/unit/fetch/target.test.ts";

interface Run {
  readonly hasPassed: boolean;
  readonly output: string;
}

/** Runs a test file in a copy of the checkout that has no folder `../shared`. */
function runWithoutShared(strict: "0" | "1"): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-checkout-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const checkout = join(folder, "checkout");
  mkdirSync(checkout);
  for (const path of ["src", "test/support", dependentTest, "vitest.config.ts", "package.json", "tsconfig.json"]) {
    cpSync(join(root, path), join(checkout, path), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"));
  const { VITEST, VITEST_POOL_ID, VITEST_WORKER_ID, ...environment } = process.env;
  const env = { ...environment, MEDIA_ORACLE_TEST_STRICT: strict, NO_COLOR: "1" };
  const args = ["node_modules/vitest/vitest.mjs", "run", "--reporter", "verbose", dependentTest];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: checkout, env, maxBuffer: 16 * 1024 ** 2 }, (error, stdout, stderr) =>
      resolve({ hasPassed: error === null, output: stdout + stderr }),
    );
  });
}

test("in strict mode a run without the folder ../shared fails, and names the missing file", async () => {
  const { hasPassed, output } = await runWithoutShared("1");
  expect(hasPassed).toBe(false);
  expect(output).toContain("There is no file ../shared/ssrf-cases.json here");
});

test("a run without the folder ../shared reports the tests that lack their rows as skipped", async () => {
  const { hasPassed, output } = await runWithoutShared("0");
  expect(output).toContain("the collected SSRF cases (needs the file ../shared/ssrf-cases.json)");
  expect(output).toMatch(/Tests .*\b1 skipped/);
  expect(hasPassed).toBe(true);
});

test("each test file that reads material from beside the project reports its absence", () => {
  const readers = testFiles.filter(([, text]) =>
    /support\/(corpus|faults|ssrf-cases|hostile-pictures|mutation-fuzz|accuracy)\.ts"|\bseedFiles\b/.test(text),
  );
  expect(readers.length).toBeGreaterThan(10);
  const silent = readers.filter(
    ([, text]) => !/\bdescribeWith\(|\brequires\((corpus|faults|ssrfCases)\.name/.test(text),
  );
  expect(silent.map(([file]) => file)).toEqual([]);
});

test("no test file reads the folder ../shared by itself", () => {
  expect(testFiles.filter(([, text]) => /\.\.\/shared\/[^"]*", import\.meta/.test(text)).map(([file]) => file)).toEqual(
    [],
  );
});
