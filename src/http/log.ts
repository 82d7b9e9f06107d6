import { createHmac, randomBytes } from "node:crypto";
import type { Logger } from "pino";
import type { Answer, Description } from "../domain/description.ts";
import type { OracleError } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";

/** Writes one line a lookup: the host and a keyed hash of the URL, nothing more of it, for a path may be a capability (XEP-0363). */
export interface LookupLog {
  answered(requestId: string, target: Target, description: Description, answer: Answer, startedAt: number): void;
  failed(
    requestId: string,
    target: Target,
    description: Description | null,
    error: OracleError,
    startedAt: number,
  ): void;
  /** A text that is no target: it is not told, whole or in part. */
  refused(requestId: string, error: OracleError): void;
  /** A bug of ours. Names, codes and places of the error and its causes; messages are left out, for they may quote what was fetched. */
  broken(requestId: string, error: unknown): void;
}

const hashCharacters = 16; // 64 bits: lines of one URL can be told apart in any log one can store

interface Trace {
  readonly name: string;
  readonly code?: string;
  readonly at: readonly string[];
}

const maxCauses = 4;

function traceOf(error: unknown): Trace[] {
  const traces: Trace[] = [];
  for (let cause = error; cause instanceof Error && traces.length < maxCauses; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    const stack = (cause.stack ?? "").replace(cause.message, "");
    const at = stack.split("\n").filter((line) => /^ {4}at /.test(line));
    traces.push({
      name: cause.constructor.name,
      ...(typeof code === "string" && /^[A-Za-z_]{1,64}$/.test(code) && { code }),
      at: at.map((line) => line.trim()),
    });
  }
  return traces;
}

/** @param logger asked for its level first: a line that is not written costs nothing */
export function createLookupLog(logger: Logger): LookupLog {
  // For this process only: a leaked log does not let anybody try out URLs against the hashes.
  const key = randomBytes(32);
  const place = (target: Target) => ({
    host: target.url.host,
    urlHash: createHmac("sha256", key).update(target.href).digest("hex").slice(0, hashCharacters),
  });
  const levelOf = (description: Description | null) => (description?.cached === "hit" ? "debug" : "info");
  const since = (startedAt: number) => Math.round(performance.now() - startedAt);

  return {
    answered(requestId, target, description, { metadata, partial }, startedAt) {
      const level = levelOf(description);
      if (!logger.isLevelEnabled(level)) return;
      const { cached, timings } = description;
      // No type: where the bytes say nothing it is the origin's own word.
      const told = { requestId, ...place(target), cached, ms: since(startedAt), timings };
      logger[level]({ ...told, partial, warnings: metadata.warnings }, "described");
    },
    failed(requestId, target, description, error, startedAt) {
      const level = levelOf(description);
      if (!logger.isLevelEnabled(level)) return;
      const { code, reason, upstreamStatus } = error;
      const told = {
        requestId,
        ...place(target),
        cached: description?.cached,
        ms: since(startedAt),
        timings: description?.timings,
      };
      logger[level]({ ...told, code, reason, upstreamStatus }, "not described");
    },
    refused(requestId, { code }) {
      logger.info({ requestId, code }, "refused");
    },
    broken(requestId, error) {
      logger.error({ requestId, code: "internal", error: traceOf(error) }, "unexpected error");
    },
  };
}
