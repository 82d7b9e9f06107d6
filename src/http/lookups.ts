import type { FastifyRequest } from "fastify";
import { answerBy, type LookupAnswer, type Description, type Oracle } from "../domain/description.ts";
import { OracleError, toOracleError } from "../domain/errors.ts";
import type { Fields } from "../domain/fields.ts";
import type { Target } from "../domain/target.ts";
import { nameOf } from "./auth.ts";
import { failureCacheStatus, originRetryAfter } from "./freshness.ts";
import type { LookupLog, RequestContext } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { RateLimit, Refusal } from "./rate-limit.ts";
import { fieldsOf, type Question } from "./schema.ts";

export interface LookupsOptions {
  readonly oracle: Oracle;
  readonly parseTarget: (text: string) => Target;
  /** Whether the cache has an answer; starts no lookup. */
  readonly isCached: (target: Target, fields: Fields) => boolean;
  /** Null if there is none. */
  readonly rateLimit: RateLimit | null;
  /** The deadline of a request without `deadlineMs`. */
  readonly implicitDeadlineMs: number;
  readonly metrics: Metrics;
  readonly log: LookupLog;
}

/** The result for one URL of a request (a batch has many). */
export type Outcome = Described | Failed;

export interface Described {
  readonly error: null;
  readonly target: Target;
  readonly description: Description;
  readonly answer: LookupAnswer;
}

export interface Failed {
  readonly error: OracleError;
  /** Null if the target was not looked up. */
  readonly target: Target | null;
  readonly description: Description | null;
  /** Additional headers of the failure response. */
  readonly headers: Readonly<Record<string, string>>;
}

export function notLookedUp(error: OracleError, headers: Failed["headers"] = {}): Failed {
  return { error, target: null, description: null, headers };
}

/** Looks up targets for all routes: counts, rate-limits and logs each lookup, and waits up to its deadline. */
export interface Lookups {
  /**
   * Answers from the cache at once, without a promise; a promise never rejects.
   *
   * @param startedAt `performance.now()` at the arrival of the request, from which its deadline counts
   */
  lookUp(request: FastifyRequest, question: Question, startedAt: number): Outcome | Promise<Outcome>;
  /** Answers a cached success as {@link lookUp} would; otherwise returns null, and starts and counts nothing. */
  findCached(context: RequestContext, target: Target, fields: Fields, startedAt: number): Described | null;
  /** @throws OracleError `url_invalid` or `url_unsupported` */
  targetOf(request: FastifyRequest, url: string): Target;
}

/** The caller's deadline and fields. */
interface Needs {
  readonly deadlineMs: number;
  readonly fields: Fields;
}

export function createLookups(options: LookupsOptions): Lookups {
  const { oracle, parseTarget, isCached, rateLimit, implicitDeadlineMs, metrics, log } = options;

  function targetOf(request: FastifyRequest, url: string): Target {
    try {
      return parseTarget(url);
    } catch (thrown) {
      const error = toOracleError(thrown);
      if (error.code === "url_invalid" || error.code === "url_unsupported") {
        metrics.refused(error.code);
        log.refused(request, error);
      }
      throw thrown;
    }
  }

  function refused(request: FastifyRequest, { retryAfter, rateLimit, policy }: Refusal): Failed {
    const error = new OracleError("rate_limited", "more lookups than the rate limit allows");
    metrics.refused("rate_limited");
    log.refused(request, error);
    const headers = { "retry-after": retryAfter, ratelimit: rateLimit, "ratelimit-policy": policy };
    return notLookedUp(error, headers);
  }

  async function waitFor(
    request: FastifyRequest,
    { deadlineMs, fields }: Needs,
    target: Target,
    description: Description,
    startedAt: number,
  ): Promise<Outcome> {
    // Counts from the arrival of the request: the rate limit may have waited for Redis.
    const leftMs = Math.max(0, deadlineMs - (performance.now() - startedAt));
    try {
      const answer = await answerBy(description, description.kept === null ? leftMs : null, fields);
      log.answered(request, target, description, answer, startedAt);
      metrics.answered(description.cached, performance.now() - startedAt);
      return { error: null, target, description, answer };
    } catch (thrown) {
      const error = toOracleError(thrown);
      const { cached, kept } = description;
      metrics.answered(cached, performance.now() - startedAt);
      log.failed(request, target, description, error, startedAt);
      const now = Date.now();
      const retryAfter = originRetryAfter(error, kept, now);
      const headers = {
        "cache-status": failureCacheStatus(error.code, cached, kept, now),
        ...(retryAfter !== null && { "retry-after": retryAfter }),
      };
      return { error, target, description, headers };
    }
  }

  function admitted(
    request: FastifyRequest,
    needs: Needs,
    target: Target,
    refusal: Refusal | null,
    startedAt: number,
  ): Outcome | Promise<Outcome> {
    if (refusal) return refused(request, refusal);
    const description = oracle(target, needs.fields);
    return (
      answerAtOnce(request, target, description, startedAt) ?? waitFor(request, needs, target, description, startedAt)
    );
  }

  /** Answers a cached success without waiting, not even for a settled promise. */
  function answerAtOnce(
    context: RequestContext,
    target: Target,
    description: Description,
    startedAt: number,
  ): Described | null {
    const { known, kept, cached } = description;
    if (kept === null || known === null) return null;
    const answer = { metadata: known, partial: false };
    log.answered(context, target, description, answer, startedAt);
    metrics.answered(cached, performance.now() - startedAt);
    return { error: null, target, description, answer };
  }

  return {
    targetOf,
    findCached(context, target, fields, startedAt) {
      if (!isCached(target, fields)) return null;
      const described = answerAtOnce(context, target, oracle(target, fields), startedAt);
      if (described) metrics.requested(nameOf(context.client));
      return described;
    },
    lookUp(request, question, startedAt) {
      metrics.requested(nameOf(request.client));
      let target: Target;
      try {
        target = targetOf(request, question.url);
      } catch (thrown) {
        return notLookedUp(toOracleError(thrown));
      }
      const needs = { deadlineMs: question.deadlineMs ?? implicitDeadlineMs, fields: fieldsOf(question) };
      const refusal = rateLimit?.(request, target, needs.fields) ?? null;
      if (!(refusal instanceof Promise)) return admitted(request, needs, target, refusal, startedAt);
      return refusal.then((refusal) => admitted(request, needs, target, refusal, startedAt));
    },
  };
}
