import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";
import { expect, onTestFinished, test } from "vitest";

// In a process of its own: the flags of V8 are those of the whole process, and its young generation does not shrink.
const script = `
import { getHeapSpaceStatistics } from "node:v8";
import { boundYoungGeneration, holdYoungGeneration } from "./young-generation.mjs";

const mebibytes = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size / 1024 ** 2;

/** Makes work for the garbage collection, with objects that survive it: without a limit the space grows to its maximum. */
async function allocate() {
  let kept = [];
  for (let turn = 0; turn < 600; turn += 1) {
    if (turn % 10 === 0) kept = [];
    // Less than the space holds, so that a turn of the event loop has one garbage collection at most.
    for (let index = 0; index < 3000; index += 1) kept.push({ index });
    await new Promise((resolve) => setImmediate(resolve));
  }
  return mebibytes();
}

holdYoungGeneration();
const held = await allocate();
boundYoungGeneration();
console.log(JSON.stringify([held, await allocate(), await allocate()]));
`;

test("V8's young generation stays small while modules load, and then grows to 4 MiB at most", () => {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const source = readFileSync(new URL("../../../src/cli/young-generation.ts", import.meta.url), "utf8");
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  writeFileSync(join(folder, "young-generation.mjs"), outputText);
  writeFileSync(join(folder, "main.mjs"), script);
  const [held, bounded, later] = JSON.parse(
    execFileSync(process.execPath, [join(folder, "main.mjs")], { encoding: "utf8", env: {} }),
  ) as [number, number, number];
  expect(held).toBeLessThanOrEqual(2);
  expect([bounded, later]).toEqual([4, 4]);
});
