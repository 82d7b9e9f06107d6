import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import ts from "typescript";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A Node process without a TypeScript loader, whose memory would be counted with that of the program. */
export type PlainNode = ChildProcessByStdio<null, Readable, Readable>;

export function startPlainNode(args: readonly string[]): PlainNode {
  return spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], env: {} });
}

/** Compiles files of this folder; returns the path of the first one. They are removed at the end of this process. */
export function compilePrograms(...names: readonly string[]): string {
  // Inside the project, so that the libraries are found.
  const folder = join(root, `.build-bench-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const compilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    rewriteRelativeImportExtensions: true,
  };
  for (const name of names) {
    const source = readFileSync(new URL(`./${name}.ts`, import.meta.url), "utf8");
    writeFileSync(join(folder, `${name}.js`), ts.transpileModule(source, { compilerOptions }).outputText);
  }
  return join(folder, `${names[0]!}.js`);
}
