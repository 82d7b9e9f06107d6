import { vi } from "vitest";
import type { Context } from "../../src/cli/context.ts";
import { run } from "../../src/cli/program.ts";

/** Runs a command line within this process: faster than the built program, for commands that start no workers. */
export async function runCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const context: Context = {
    environment,
    machine: {
      version: "1.2.3",
      processors: 2,
      memoryBytes: 2 ** 33,
      readFile: (path) => {
        if (path === "/run/secrets/token") return "token-of-a-file\n";
        throw new Error("no such file");
      },
    },
    maxDescriptors: Infinity,
    commit: null,
    decoderEnvironment: {},
  };
  const printed = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      printed[name] += String(text);
      return true;
    }),
  );
  try {
    return { code: await run(args, context), ...printed };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
