import { createHmac, randomBytes } from "node:crypto";
import type { Logger } from "pino";
import type { LookupAnswer, Description, Timings } from "../domain/description.ts";
import { traceOf } from "../domain/error-trace.ts";
import type { OracleError } from "../domain/errors.ts";
import type { Target } from "../domain/target.ts";
import { type Client, nameOf } from "./auth.ts";
import type { AddressOf } from "./client-address.ts";

/** Request id and client of a log line. */
export interface RequestContext {
  readonly id: string;
  readonly client: Client | null;
}

/** Writes one log line per lookup. Of the URL it has only the host and a keyed hash: a path may be a capability (XEP-0363). */
export interface LookupLog {
  answered(
    context: RequestContext,
    target: Target,
    description: Description,
    answer: LookupAnswer,
    startedAt: number,
  ): void;
  failed(
    context: RequestContext,
    target: Target,
    description: Description | null,
    error: OracleError,
    startedAt: number,
  ): void;
  /**
   * A request that is not in the documented form, not a target or above the rate limit: has the rule, a refused host, and, if
   * no token names the client, its address. Other lines have no address: with the hosts they would be a profile of a person.
   */
  refused(context: RequestContext & Parameters<AddressOf>[0], error: OracleError): void;
  /** A bug: logs names, codes and places of the error and its causes, no messages: they may quote the fetched file. */
  broken(context: RequestContext, error: unknown): void;
}

const hashCharacters = 16; // 64 bits: no two URLs in a log collide in practice

/** @param logger its level is checked first: a line below it costs nothing */
export function createLookupLog(logger: Logger, addressOf: AddressOf): LookupLog {
  // A random key of this process: an attacker cannot hash guessed URLs and search a leaked log for them.
  const key = randomBytes(32);
  const place = (target: Target) => ({
    host: target.url.host,
    urlHash: createHmac("sha256", key).update(target.href).digest("hex").slice(0, hashCharacters),
  });
  const requestFields = ({ id, client }: RequestContext) => ({ requestId: id, client: nameOf(client) });
  const levelOf = (description: Description | null) => (description?.cached === "hit" ? "debug" : "info");
  const roundTimes = (timings: Timings | undefined) =>
    timings && Object.fromEntries(Object.entries(timings).map(([stage, ms]) => [stage, Number(ms.toFixed(2))]));
  const since = (startedAt: number) => Math.round(performance.now() - startedAt);

  return {
    answered(context, target, description, { metadata, partial }, startedAt) {
      const level = levelOf(description);
      if (!logger.isLevelEnabled(level)) return;
      const { cached, timings } = description;
      const decodeTimeoutCause = description.decodeTimeoutCause ?? undefined; // absent from most lines
      const ms = since(startedAt);
      // Logged after the response was written: writing the line takes as long as the response itself.
      setImmediate(() => {
        // No type: if the bytes are unknown, it is text from the origin.
        const line = { ...requestFields(context), ...place(target), cached, ms, timings: roundTimes(timings) };
        logger[level]({ ...line, partial, warnings: metadata.warnings, decodeTimeoutCause }, "described");
      });
    },
    failed(context, target, description, error, startedAt) {
      const level = levelOf(description);
      if (!logger.isLevelEnabled(level)) return;
      const { code, reason, tlsError, upstreamStatus, refusal } = error;
      const line = {
        ...requestFields(context),
        ...place(target),
        cached: description?.cached,
        ms: since(startedAt),
        timings: roundTimes(description?.timings),
      };
      // The refused host may be that of a redirect.
      const refused = refusal && { refusedHost: refusal.host ?? undefined, rule: refusal.rule };
      logger[level]({ ...line, code, reason, tlsError, upstreamStatus, ...refused }, "not described");
    },
    refused(context, { code, refusal }) {
      const { host, rule } = refusal ?? {};
      const address = context.client === null ? addressOf(context) : undefined;
      logger.info({ ...requestFields(context), address, code, host: host ?? undefined, rule }, "refused");
    },
    broken(context, error) {
      logger.error({ ...requestFields(context), code: "internal", error: traceOf(error) }, "unexpected error");
    },
  };
}
