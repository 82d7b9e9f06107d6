#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { leastDescriptors, readDescriptorLimit } from "./cli/descriptor-limit.ts";
import { type ExitCode, exitCodes } from "./cli/exit.ts";
import { holdYoungGeneration } from "./cli/young-generation.ts";

const { version, homepage } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
  homepage?: string;
};

// A closed pipe is no error: the reader of the output may have read enough of it (`| head`).
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

/** Written by the build; sources that run as they are have none. */
function readCommit(): string | null {
  try {
    return readFileSync(new URL("commit", import.meta.url), "utf8").trim() || null;
  } catch {
    return null;
  }
}

async function start(maxDescriptors: number): Promise<ExitCode> {
  if (maxDescriptors < leastDescriptors) {
    process.stderr.write(
      `media-oracle: the limit of open files is ${maxDescriptors}, and at least ${leastDescriptors} are needed (ulimit -n)\n`,
    );
    return exitCodes.unavailable;
  }
  // Loaded after the check, which its many modules would not pass.
  const { run } = await import("./cli/program.ts");
  return run(process.argv.slice(2), {
    environment: process.env,
    machine: {
      version,
      homepage,
      processors: availableParallelism(),
      // Without a limit the kernel reports one beyond any memory.
      memoryBytes: Math.min(process.constrainedMemory() || Infinity, totalmem()),
      readFile: (path) => readFileSync(path, "utf8"),
    },
    maxDescriptors,
    commit: readCommit(),
    // The container preloads its allocator.
    decoderEnvironment: process.env.LD_PRELOAD ? { LD_PRELOAD: process.env.LD_PRELOAD } : {},
  });
}

/** Runs `health` without the rest of the program; null if it is another command, or one with other flags. */
async function checkHealth([command, ...args]: readonly string[]): Promise<ExitCode | null> {
  if (command !== "health") return null;
  const { checkHealth, readListenAddress } = await import("./cli/health.ts");
  const address = readListenAddress(args, process.env);
  return address && checkHealth(address);
}

holdYoungGeneration();
process.exitCode = (await checkHealth(process.argv.slice(2))) ?? (await start(readDescriptorLimit()));
