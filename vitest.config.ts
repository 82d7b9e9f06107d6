import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/{unit,integration,e2e}/**/*.test.ts"],
    globalSetup: ["test/support/build.ts"],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Two shared cores: more workers would only make the timing of the real servers in the tests worse.
    maxWorkers: 2,
  },
});
