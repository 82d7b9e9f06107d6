/**
 * Measures the tests: draws mutants of the sources, runs the related tests on each in a copy of the checkout, and prints a
 * table, the score and the survivors.
 *
 * `npm run test:mutants -- --seed 1 --count 60`. A mutant takes seconds if a unit test notices it, and minutes if it survives.
 * With `--quick` only the tests of the same name or folder run; `--only 3,8` then runs all related tests on the survivors.
 * `--files src/fetch/` draws from these sources alone.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { randomIntegers } from "../test/support/mutations.ts";
import { equivalentMutants } from "./equivalent-mutants.ts";
import { applyMutant, mutateLua, mutateTypeScript, type Mutant } from "./mutations.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

// An endless loop is noticed by its test's timeout (60 s), or by this one if it blocks the event loop.
const maxStageMs = 10 * 60_000;

const quickStages = ["types", "near", "specs"];

/** One run of tests; the next one runs only if this one passes. */
interface Stage {
  readonly name: string;
  readonly command: readonly string[];
}

interface Outcome {
  readonly mutant: Mutant;
  /** `invalid`: it does not compile. */
  readonly result: "killed" | "survived" | "equivalent" | "invalid";
  /** The stage and the first failed test, or the reason of an equivalent one. */
  readonly by: string;
}

// Whole programs: their tests do not import the sources, so that vitest cannot relate them.
const programTests: readonly (readonly [sources: RegExp, tests: readonly string[]])[] = [
  [/^src\/cli\//, ["test/e2e/cli"]],
  [/^src\/client\//, ["test/e2e/client-package.test.ts", "test/e2e/cli"]],
  [/^src\/tracing\.ts/, ["test/e2e/service/tracing.test.ts"]],
  [
    /^src\//,
    ["program", "early", "cache", "silence", "door", "restart"].map((name) => `test/e2e/service/${name}.test.ts`),
  ],
];

const vitest = ["node_modules/vitest/vitest.mjs", "--bail", "1", "--reporter", "verbose"];

/**
 * Returns the test files of the same name as a source file, or a longer one: most mutants end there. Without one, the unit
 * tests of its folder.
 */
function findNearTests(file: string, files: readonly string[]): string[] {
  const [, path = ""] = /^src\/(.*)\.ts$/.exec(file) ?? [];
  const startingWith = (...starts: readonly string[]) =>
    files.filter((test) => test.endsWith(".test.ts") && starts.some((start) => test.startsWith(start)));
  const named = startingWith(`test/unit/${path}`, `test/integration/${path}`);
  return named.length > 0 ? named : startingWith(`test/unit/${dirname(path)}/`);
}

/** Returns the test runs for a source file, quick ones first. */
function stagesOf(file: string, files: readonly string[]): Stage[] {
  if (file.endsWith(".lua")) {
    return [
      { name: "specs", command: ["busted", "--lua=/usr/bin/lua5.4", "prosody/spec"] },
      { name: "e2e", command: [process.execPath, ...vitest, "run", "--project", "e2e", "test/e2e/xmpp"] },
    ];
  }
  // First: a mutant that does not compile is no gap, and none that a test has closed.
  const typeCheck =
    "node_modules/typescript/bin/tsc -p tsconfig.build.json --noEmit --incremental --tsBuildInfoFile .types";
  const types = { name: "types", command: [process.execPath, ...typeCheck.split(" ")] };
  const related = (...projects: readonly string[]): Stage => {
    const options = ["--run", "--passWithNoTests", ...projects.map((project) => `--project=${project}`)];
    return { name: projects.join(" "), command: [process.execPath, ...vitest, "related", ...options, file] };
  };
  // Workers are processes of the built program.
  const decoders = {
    name: "integration",
    command: [process.execPath, ...vitest, "run", "--project", "integration", "test/integration/media"],
  };
  const integration = file.startsWith("src/media/worker/") ? decoders : related("integration");
  const [, tests = []] = programTests.find(([sources]) => sources.test(file)) ?? [];
  const nearTests = findNearTests(file, files);
  const near = { name: "near", command: [process.execPath, ...vitest, "run", ...nearTests] };
  const whole = { name: "e2e", command: [process.execPath, ...vitest, "run", "--project", "e2e", ...tests] };
  return [types, ...(nearTests.length > 0 ? [near] : []), related("unit", "budgets"), integration, whole];
}

/** Lists the files of the checkout, without those that are ignored. */
function listFiles(): string[] {
  const { stdout } = spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  });
  return stdout.split("\n").filter((file) => file !== "" && existsSync(join(root, file)));
}

/** Copies the checkout, so that a mutant never reaches it; `../shared` is there too. */
function copyCheckout(folder: string, files: readonly string[]): string {
  const copy = join(folder, "checkout");
  mkdirSync(copy);
  for (const file of files) cpSync(join(root, file), join(copy, file), { recursive: true });
  // No symbolic link to it: the decoder's processes may read nothing outside the copy. Hard links need the same file system.
  const clone = (option: string) => spawnSync("cp", [option, join(root, "node_modules"), copy]).status === 0;
  if (!clone("-al") && !clone("-a")) throw new Error("node_modules cannot be copied");
  const shared = fileURLToPath(new URL("../../shared", import.meta.url));
  if (existsSync(shared)) symlinkSync(shared, join(folder, "shared"));
  return copy;
}

function listMutants(files: readonly string[]): Mutant[] {
  return files.flatMap((file) => {
    const text = () => readFileSync(join(root, file), "utf8");
    if (/^prosody\/mod_.*\.lua$/.test(file)) return mutateLua(file, text());
    // api.ts is generated, and has types alone.
    return /^src\/.*\.ts$/.test(file) && file !== "src/client/api.ts" ? mutateTypeScript(file, text()) : [];
  });
}

/** Draws mutants without repetition, the same for the same seed and sources. */
function drawMutants(all: readonly Mutant[], seed: number, count: number): Mutant[] {
  const random = randomIntegers(seed);
  const left = [...all];
  return Array.from({ length: Math.min(count, all.length) }, () => left.splice(random(left.length), 1)[0]!);
}

/** The line of the edit, as it becomes. */
function mutatedLine(text: string, mutant: Mutant): string {
  return applyMutant(text, mutant).split("\n")[mutant.line - 1]!.trim();
}

/** Returns the first failed test in the output of vitest or busted, or what else there is. */
function firstFailure(output: string): string {
  const [, test] = /^ *(?:FAIL|×|Failure →)\s+(.*)$/m.exec(output) ?? [];
  return (test ?? output.trim().split("\n").at(-1) ?? "").trim().slice(0, 160);
}

/** Runs one command in the copy; null if it succeeds, else its output. */
function runIn(copy: string, [program = "", ...args]: readonly string[]): string | null {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: copy,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1", MEDIA_ORACLE_TEST_STRICT: "1" },
    timeout: maxStageMs,
    killSignal: "SIGKILL",
    maxBuffer: 256 * 1024 ** 2,
  });
  return status === 0 ? null : stdout + stderr;
}

const soundTests = new Set<string>();

/** Throws if the test fails without a mutant too, as in a copy that lacks something: it would kill every mutant. */
function checkTest(copy: string, failure: string, { command }: Stage): void {
  const [test] = /test\/[\w/.-]+\.test\.ts/.exec(failure) ?? [];
  const key = test ?? command.join(" ");
  if (soundTests.has(key)) return;
  const output = runIn(copy, test === undefined ? command : [process.execPath, ...vitest, "run", test]);
  if (output !== null) throw new Error(`${key} fails without a mutant: ${firstFailure(output)}`);
  soundTests.add(key);
}

function runMutant(copy: string, mutant: Mutant, stages: readonly Stage[]): Outcome {
  const path = join(copy, mutant.file);
  const text = readFileSync(path, "utf8");
  const line = mutatedLine(text, mutant);
  const known = equivalentMutants.find(({ file, mutated }) => file === mutant.file && mutated === line);
  if (known) return { mutant, result: "equivalent", by: known.reason };
  for (const stage of stages) {
    writeFileSync(path, applyMutant(text, mutant));
    const output = runIn(copy, stage.command);
    writeFileSync(path, text);
    if (output === null) continue;
    if (stage.name === "types") return { mutant, result: "invalid", by: "the type check" };
    const failure = firstFailure(output);
    checkTest(copy, failure, stage);
    return { mutant, result: "killed", by: `${stage.name}: ${failure}` };
  }
  return { mutant, result: "survived", by: "" };
}

function printOutcome({ mutant, result, by }: Outcome, number: number): void {
  const { file, line, original, replacement } = mutant;
  const edit = `${original} → ${replacement}`.replace(/\s+/g, " ").slice(0, 100);
  console.log(`${String(number).padStart(3)}  ${result.padEnd(10)}  ${file}:${line}  ${edit}  ${by && `(${by})`}`);
}

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "60" },
    files: { type: "string", default: "" }, // the start of their paths
    only: { type: "string" }, // numbers of the drawn mutants, such as the survivors of a quick run
    quick: { type: "boolean", default: false },
  },
});
const files = listFiles();
const wanted = values.only?.split(",").map(Number);
const sources = files.filter((file) => file.startsWith(values.files));
const mutants = listMutants(sources);
if (mutants.length === 0) throw new Error(`no source whose path begins with ${values.files} has a mutant`);
const drawn = drawMutants(mutants, Number(values.seed), Number(values.count))
  .map((mutant, index) => ({ mutant, number: index + 1 }))
  .filter(({ number }) => wanted?.includes(number) ?? true);
const folder = mkdtempSync(join(tmpdir(), "media-oracle-mutants-"));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130)); // the copy goes with the exit
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
chmodSync(folder, 0o755); // tests run the program as another user too
const copy = copyCheckout(folder, files);
const outcomes = drawn.map(({ mutant, number }) => {
  const outcome = runMutant(
    copy,
    mutant,
    stagesOf(mutant.file, files).filter(({ name }) => !values.quick || quickStages.includes(name)),
  );
  printOutcome(outcome, number);
  return outcome;
});

const countOf = (result: Outcome["result"]) => outcomes.filter((outcome) => outcome.result === result).length;
const [killed, survived] = [countOf("killed"), countOf("survived")];
console.log(
  `\nseed ${values.seed}: ${killed} of ${killed + survived} killed (${Math.round((100 * killed) / (killed + survived))} %), ` +
    `${countOf("equivalent")} equivalent, ${countOf("invalid")} do not compile`,
);
const survivors = outcomes.filter(({ result }) => result === "survived");
if (survivors.length > 0) console.log("\nSurvivors. A gap of the tests, or equivalent: scripts/equivalent-mutants.ts.");
for (const { mutant } of survivors) {
  console.log(
    `\n${mutant.file}:${mutant.line}\n  ${mutatedLine(readFileSync(join(root, mutant.file), "utf8"), mutant)}`,
  );
}
