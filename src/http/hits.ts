import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { preParsingHookHandler } from "fastify";
import type { Fields } from "../domain/fields.ts";
import type { Target } from "../domain/target.ts";
import type { Client, Identify } from "./auth.ts";
import type { BrowserGuard } from "./browser-guard.ts";
import { maxRequestBytes } from "./connection.ts";
import type { Lookups } from "./lookups.ts";
import { remembered } from "./remembered.ts";
import type { SendDescribed } from "./send.ts";

export interface HitsOptions {
  /** @throws if it is not a question in the documented form, or its URL is not a target */
  readonly parseQuestion: (text: string) => ParsedRequest;
  /** Null if no token is set. */
  readonly identify: Identify | null;
  /** Null if tokens are set. */
  readonly isForbidden: BrowserGuard | null;
  readonly recall: Lookups["recall"];
  readonly send: SendDescribed;
  readonly requestIdOf: (request: IncomingMessage) => string;
}

/** The parts of a question on which an answer from the cache depends. */
export interface ParsedRequest {
  readonly target: Target;
  readonly fields: Fields;
}

export interface Hits {
  /** Runs before the server's own listener, which gets all other requests. */
  takeOver(server: Server): void;
  /** From now on the server's own listener gets all requests. */
  letGo(): void;
  /** Passes a body that was read here on to Fastify. */
  readonly replay: preParsingHookHandler;
}

// The questions that a busy server gets within minutes: 2 MB with the targets.
const rememberedQuestions = { maxTexts: 512, maxLength: 512 };

/**
 * Answers cache hits before Fastify, whose routing from a request to a handler takes a third of the time of a hit. Only
 * plain questions (`POST /metadata`, JSON of a known length, no query) that are authorized, in the documented form and
 * cached as a success. Fastify gets all others unchanged, so that every other rule is in one place.
 */
export function createHits(options: HitsOptions): Hits {
  const { parseQuestion, identify, isForbidden, recall, send, requestIdOf } = options;
  const askedIn = remembered(parseQuestion, rememberedQuestions);
  const bodies = new WeakMap<IncomingMessage, Buffer>();
  let isOn = true;

  function isPlain({ method, url, headers }: IncomingMessage): boolean {
    const bytes = Number(headers["content-length"]); // only digits: Node rejects others
    const isBounded = bytes > 0 && bytes <= maxRequestBytes;
    return method === "POST" && url === "/metadata" && headers["content-type"] === "application/json" && isBounded;
  }

  function answer(request: IncomingMessage, response: ServerResponse, body: Buffer, client: Client | null): boolean {
    const startedAt = performance.now();
    const id = requestIdOf(request);
    try {
      const { target, fields } = askedIn(body.toString());
      const described = recall({ id, client }, target, fields, startedAt);
      if (described) send(request, id, response, described);
      return described !== null;
    } catch {
      return false; // Fastify finds the error again, and reports it
    }
  }

  function onRequest(request: IncomingMessage, response: ServerResponse, others: RequestListener): void {
    if (!isOn || !isPlain(request)) return others(request, response);
    if (isForbidden?.(request.headers)) return others(request, response);
    const client = identify ? identify(request.headers.authorization) : null;
    if (identify && !client) return others(request, response);
    let body: Buffer | null = null;
    request.on("data", (chunk: Buffer) => (body = body ? Buffer.concat([body, chunk]) : chunk));
    request.on("end", () => {
      if (!body || answer(request, response, body, client)) return;
      bodies.set(request, body);
      others(request, response);
    });
  }

  return {
    takeOver(server) {
      const listeners = server.listeners("request") as RequestListener[];
      const others: RequestListener = (request, response) => {
        for (const listener of listeners) listener(request, response);
      };
      server.removeAllListeners("request");
      server.on("request", (request, response) => onRequest(request, response, others));
    },
    letGo: () => void (isOn = false),
    replay(request, _reply, payload, done) {
      const body = bodies.get(request.raw);
      if (!body) return done(null, payload);
      const read = new Readable({ read: () => undefined });
      read.push(body);
      read.push(null);
      done(null, Object.assign(read, { receivedEncodedLength: body.length }));
    },
  };
}
