import type { OracleError } from "../domain/errors.ts";
import type { Metadata, WarningCode } from "../domain/metadata.ts";

const minuteMs = 60_000;

// The origin's own word on freshness is not read: an hour is what an upload host's file outlives without harm.
const successMs = 60 * minuteMs;

// What may well be better the next time: remembered as a failure is.
const briefMs = minuteMs;
const passing: ReadonlySet<WarningCode> = new Set(["body_truncated", "body_timeout", "decode_timeout"]);

/** Whether the description was cut short by something that may pass. */
export function isBrief(metadata: Metadata): boolean {
  return metadata.warnings.some((warning) => passing.has(warning));
}

/** How long a description is answered from memory, in milliseconds. */
export function metadataLifetimeMs(metadata: Metadata): number {
  return isBrief(metadata) ? briefMs : successMs;
}

/** How long a failure is answered from memory, in milliseconds; 0 for what is not the target's fault. */
export function failureLifetimeMs(error: OracleError): number {
  return error.failure.rememberMs;
}
