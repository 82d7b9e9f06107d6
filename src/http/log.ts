import { createHmac, randomBytes } from "node:crypto";
import type { Logger } from "pino";
import type { LookupAnswer, Description } from "../domain/description.ts";
import { traceOf } from "../domain/error-trace.ts";
import type { OracleError } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";
import { type Client, nameOf } from "./auth.ts";

/** What a line tells of the request. */
export interface RequestContext {
  readonly id: string;
  readonly client: Client | null;
}

/** Writes one line a lookup: the host and a keyed hash of the URL, nothing more of it, for a path may be a capability (XEP-0363). */
export interface LookupLog {
  answered(
    asked: RequestContext,
    target: Target,
    description: Description,
    answer: LookupAnswer,
    startedAt: number,
  ): void;
  failed(
    asked: RequestContext,
    target: Target,
    description: Description | null,
    error: OracleError,
    startedAt: number,
  ): void;
  /** A text that is no target, or one too many: it is not told, whole or in part. */
  refused(asked: RequestContext, error: OracleError): void;
  /** A bug of ours. Names, codes and places of the error and its causes; messages are left out, for they may quote what was fetched. */
  broken(asked: RequestContext, error: unknown): void;
}

const hashCharacters = 16; // 64 bits: lines of one URL can be told apart in any log one can store

/** @param logger asked for its level first: a line that is not written costs nothing */
export function createLookupLog(logger: Logger): LookupLog {
  // For this process only: a leaked log does not let anybody try out URLs against the hashes.
  const key = randomBytes(32);
  const place = (target: Target) => ({
    host: target.url.host,
    urlHash: createHmac("sha256", key).update(target.href).digest("hex").slice(0, hashCharacters),
  });
  const told = ({ id, client }: RequestContext) => ({ requestId: id, client: nameOf(client) });
  const levelOf = (description: Description | null) => (description?.cached === "hit" ? "debug" : "info");
  const since = (startedAt: number) => Math.round(performance.now() - startedAt);

  return {
    answered(asked, target, description, { metadata, partial }, startedAt) {
      const level = levelOf(description);
      if (!logger.isLevelEnabled(level)) return;
      const { cached, timings } = description;
      const ms = since(startedAt);
      // When the answer is on its way: to write a line takes as long as to write an answer.
      setImmediate(() => {
        // No type: where the bytes say nothing it is the origin's own word.
        const line = { ...told(asked), ...place(target), cached, ms, timings };
        logger[level]({ ...line, partial, warnings: metadata.warnings }, "described");
      });
    },
    failed(asked, target, description, error, startedAt) {
      const level = levelOf(description);
      if (!logger.isLevelEnabled(level)) return;
      const { code, reason, upstreamStatus } = error;
      const line = {
        ...told(asked),
        ...place(target),
        cached: description?.cached,
        ms: since(startedAt),
        timings: description?.timings,
      };
      logger[level]({ ...line, code, reason, upstreamStatus }, "not described");
    },
    refused(asked, { code }) {
      logger.info({ ...told(asked), code }, "refused");
    },
    broken(asked, error) {
      logger.error({ ...told(asked), code: "internal", error: traceOf(error) }, "unexpected error");
    },
  };
}
