import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import type { Logger } from "pino";
import type { Surroundings } from "../compose.ts";
import type { Machine } from "../config.ts";

/** What the commands know of the process they run in. */
export interface Context {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly machine: Machine;
  /** Descriptors that this process may have open; Infinity if there is no limit or none is known. */
  readonly maxDescriptors: number;
  /** What the program was built from; null where that is unknown. */
  readonly commit: string | null;
  /** Of the decoder's processes: nothing else of ours reaches them. */
  readonly decoderEnvironment: Readonly<Record<string, string>>;
}

/** Where a program lies among those that can be called by name; null where none does. */
function findProgram(name: string, path: string): string | null {
  const files = path.split(delimiter).map((folder) => join(folder, name));
  return files.find((file) => isAbsolute(file) && existsSync(file)) ?? null;
}

/** Where spans shall go, as OpenTelemetry's own variables have it; null where nowhere. */
function collectorOf(environment: Context["environment"]): string | null {
  if (environment.OTEL_SDK_DISABLED === "true" || environment.OTEL_TRACES_EXPORTER === "none") return null;
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT } = environment;
  return [OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT].find(Boolean) ?? null;
}

/** What a service is put together with. */
export function surroundingsFor(context: Context, logger: Logger): Surroundings {
  const { environment, machine, maxDescriptors, commit, decoderEnvironment } = context;
  const ffmpeg = findProgram("ffmpeg", environment.PATH ?? "");
  return {
    logger,
    maxDescriptors,
    program: { version: machine.version, commit },
    decoderEnvironment,
    ffmpeg,
    collector: collectorOf(environment),
  };
}
