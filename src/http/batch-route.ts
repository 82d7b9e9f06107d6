import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { OracleError } from "../domain/errors.ts";
import { wants } from "./accept.ts";
import { answerHeaders, jsonType, takenOver, writeAnswer } from "./answer.ts";
import type { Guards } from "./auth.ts";
import type { LookupLog } from "./log.ts";
import { type Lookups, notLookedUp, type Outcome } from "./lookups.ts";
import type { Metrics } from "./metrics.ts";
import { problemResponses } from "./openapi.ts";
import { problemOf } from "./problem.ts";
import { renderedReply } from "./reply.ts";
import { batchBodySchema, batchReplySchema, maxBatchBytes, type Question } from "./schema.ts";
import { implicitDeadlineSeconds } from "./timeouts.ts";

export interface BatchRouteOptions {
  readonly lookups: Lookups;
  /** The deadline of a JSON batch without `deadlineMs`. */
  readonly implicitDeadlineMs: number;
  readonly guards: Guards;
  readonly log: LookupLog;
  readonly metrics: Pick<Metrics, "notAnswered">;
}

// As many as the default of `MEDIA_ORACLE_PER_HOST`: the lookups of a batch for one host do not fill that host's queue.
const atOnce = 16;

// A lookup that starts later cannot be answered in time; timers fire up to 2 ms early.
const leastLeftMs = 5;

const linesType = "application/x-ndjson";

/** Adds `POST /metadata/batch`: up to a hundred URLs in one request. */
export function addBatchRoute(instance: FastifyInstance, options: BatchRouteOptions): void {
  const { lookups, implicitDeadlineMs, guards, log, metrics } = options;
  const app = instance.withTypeProvider<ZodTypeProvider>();

  function lookUp(request: FastifyRequest, question: Question, startedAt: number): Outcome | Promise<Outcome> {
    const { deadlineMs } = question;
    // The implicit deadline of a lookup, which counts from its own start.
    if (deadlineMs === undefined) return lookups.lookUp(request, question, performance.now());
    // No lookup starts after the deadline: the rest of the batch would start at once, and exceed the limit above.
    if (performance.now() - startedAt < deadlineMs - leastLeftMs) {
      return lookups.lookUp(request, question, startedAt);
    }
    return notLookedUp(new OracleError("deadline_exceeded", "not begun by the deadline"));
  }

  function itemText(request: FastifyRequest, index: number, url: string, outcome: Outcome): string {
    const head = `{"index":${index},"url":${JSON.stringify(url)}`;
    if (outcome.error) {
      metrics.notAnswered(outcome.error.code);
      if (outcome.error.code === "internal") log.broken(request, outcome.error);
      return `${head},"problem":${JSON.stringify(problemOf(outcome.error))}}`;
    }
    const { target, answer } = outcome;
    return `${head},"metadata":${renderedReply(target, answer.metadata, answer.partial).body}}`;
  }

  /** Looks up all URLs, at most `atOnce` in parallel, and reports each item; stops when the caller disconnects. */
  async function lookUpAll(
    request: FastifyRequest,
    { urls, ...wishes }: z.infer<typeof batchBodySchema>,
    onItem: (item: string, index: number) => void,
  ): Promise<void> {
    const startedAt = performance.now();
    const waiting = urls.entries();
    const takeTurns = async () => {
      for (const [index, url] of waiting) {
        if (request.socket.destroyed) return;
        onItem(itemText(request, index, url, await lookUp(request, { ...wishes, url }, startedAt)), index);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, takeTurns));
  }

  /** Sends all items in one response, once the last one is known: the whole batch has one deadline. */
  async function answerInOrder(
    request: FastifyRequest,
    reply: FastifyReply,
    batch: z.infer<typeof batchBodySchema>,
  ): Promise<void> {
    const items: string[] = [];
    const { deadlineMs = implicitDeadlineMs } = batch;
    await lookUpAll(request, { ...batch, deadlineMs }, (item, index) => (items[index] = item));
    const body = `{"items":[${items.join(",")}]}`;
    const headers = answerHeaders(reply.request.id);
    headers.push("Cache-Control", "no-store", "Content-Type", jsonType);
    headers.push("Content-Length", String(Buffer.byteLength(body)));
    writeAnswer(takenOver(reply), 200, headers, body);
  }

  // Without `deadlineMs` the response as a whole has no deadline: each lookup has the implicit one from its own start. So
  // the connection is never idle for longer than that, and the client gets all items. For a client that reads slowly, at
  // most a hundred items are buffered: some 100 kB, 2 MB if the URLs are long.
  async function answerAsTheyEnd(
    request: FastifyRequest,
    reply: FastifyReply,
    batch: z.infer<typeof batchBodySchema>,
  ): Promise<void> {
    const headers = answerHeaders(reply.request.id);
    headers.push("Cache-Control", "no-store", "Content-Type", linesType);
    reply.hijack();
    reply.raw.writeHead(200, headers);
    reply.raw.flushHeaders();
    await lookUpAll(request, batch, (item) => void reply.raw.write(`${item}\n`));
    reply.raw.end();
  }

  app.route({
    method: "POST",
    url: "/metadata/batch",
    onRequest: guards,
    bodyLimit: maxBatchBytes,
    schema: {
      tags: ["metadata"],
      security: [{}, { token: [] }],
      operationId: "describeAll",
      summary: "Describe up to a hundred URLs",
      description:
        `Looks up ${atOnce} URLs in parallel. Each URL is rate-limited, cached and logged like a request of its own. With \`Accept: ${linesType}\` ` +
        "each item is sent as soon as it is known, otherwise all items are sent together. `deadlineMs` is the deadline of the whole batch: a URL whose lookup has not started by then fails with `deadline_exceeded`. " +
        `Without \`deadlineMs\`, a JSON batch has a deadline of ${implicitDeadlineSeconds} s, and each URL of an NDJSON batch one of ${implicitDeadlineSeconds} s from the start of its lookup.`,
      body: batchBodySchema,
      response: {
        200: {
          description: "Metadata or a problem for each URL",
          content: {
            "application/json": { schema: batchReplySchema },
            [linesType]: {
              schema: z.string().describe("One `BatchItem` per line, in the order in which the lookups end"),
            },
          },
        },
        ...problemResponses("unauthorized", "request_forbidden", "request_too_large", "request_unsupported"),
      },
    },
    handler: (request, reply) =>
      wants(request.headers.accept, [linesType])
        ? answerAsTheyEnd(request, reply, request.body)
        : answerInOrder(request, reply, request.body),
  });
}
