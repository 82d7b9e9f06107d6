import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import type { Logger } from "pino";
import type { Dependencies } from "../compose.ts";
import type { Machine } from "../config.ts";

/** The process environment that commands see. */
export interface Context {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly machine: Machine;
  /** Descriptors that this process may have open; Infinity if there is no limit or none is known. */
  readonly maxDescriptors: number;
  /** The Git commit of the build; null if unknown. */
  readonly commit: string | null;
  /** The whole environment of decoder processes, so that no secret reaches them. */
  readonly decoderEnvironment: Readonly<Record<string, string>>;
}

/** Finds a program in the PATH; null if there is none. */
function findProgram(name: string, path: string): string | null {
  const files = path.split(delimiter).map((folder) => join(folder, name));
  return files.find((file) => isAbsolute(file) && existsSync(file)) ?? null;
}

/** Returns the OTLP endpoint from OpenTelemetry's own variables; null if tracing is off. */
function collectorOf(environment: Context["environment"]): string | null {
  if (environment.OTEL_SDK_DISABLED === "true" || environment.OTEL_TRACES_EXPORTER === "none") return null;
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT } = environment;
  return [OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT].find(Boolean) ?? null;
}

/** Returns the arguments of `compose` that are not settings. */
export function dependenciesFor(context: Context, logger: Logger): Dependencies {
  const { environment, machine, maxDescriptors, commit, decoderEnvironment } = context;
  const ffmpeg = findProgram("ffmpeg", environment.PATH ?? "");
  return {
    logger,
    maxDescriptors,
    program: { version: machine.version, commit },
    decoderEnvironment,
    ffmpeg,
    collector: collectorOf(environment),
    files: new Map(),
  };
}
