import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const project = (name: string, options = {}) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options },
});

const globalSetup = ["test/support/build.ts", "test/support/left-services.ts"];

// Unit tests of CPU time: compiled code and garbage of other files in the same process would count too.
const unitFolder = fileURLToPath(new URL("test/unit/", import.meta.url));
const budgets = readdirSync(unitFolder, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.ts") && readFileSync(unitFolder + file, "utf8").includes("support/cpu.ts"))
  .map((file) => `test/unit/${file}`);

export default defineConfig({
  test: {
    testTimeout: 60_000, // for busy machines: no test waits that long on an idle one
    hookTimeout: 60_000,
    expect: { poll: { timeout: 60_000 } },
    // Snapshots are written by `-u` alone: without its snapshot a test fails, on a developer's machine too.
    update: "none",
    setupFiles: ["test/support/equal-bytes.ts", "test/support/closed-connections.ts"],
    // A process for many files, because the start of one for each takes a tenth of the time.
    isolate: false,
    // Two shared cores: more workers would disturb the timing of the real servers in the tests.
    maxWorkers: 2,
    projects: [
      project("unit", { exclude: budgets }),
      project("budgets", { include: budgets, isolate: true }),
      // Longer: decodes in the slow lane have a tenth of a busy machine's CPU time.
      project("integration", { globalSetup, testTimeout: 300_000 }),
      project("e2e", { globalSetup, testTimeout: 300_000 }),
      // `npm run test:slow`: tests that run for minutes. One file at a time, because they measure times and memory.
      project("slow", {
        globalSetup,
        testTimeout: 600_000,
        fileParallelism: false,
        isolate: true,
      }),
    ],
  },
});
