import type { Machine } from "../config.ts";

/** What the commands know of the process they run in. */
export interface Context {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly machine: Machine;
  /** Of the decoder's processes: nothing else of ours reaches them. */
  readonly decoderEnvironment: Readonly<Record<string, string>>;
}
