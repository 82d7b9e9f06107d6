import type { IncomingMessage, RequestListener, Server } from "node:http";
import { Readable } from "node:stream";
import type { preParsingHookHandler } from "fastify";
import type { Fields } from "../domain/fields.ts";
import type { Target } from "../domain/target.ts";
import type { Client, Identify } from "./auth.ts";
import type { BrowserGuard } from "./browser-guard.ts";
import { maxBodyBytes } from "./connection.ts";
import type { Lookups } from "./lookups.ts";
import { memoizeParser } from "./memoize-parser.ts";
import type { SendDescribed } from "./send.ts";

export interface HitsOptions {
  /** @throws if the body is not in the documented form, or its URL is not a target */
  readonly parseBody: (text: string) => { readonly target: Target; readonly fields: Fields };
  /** Memory for the latest parsed bodies. */
  readonly memoizedBytes: number;
  /** Null if no token is set. */
  readonly identify: Identify | null;
  /** Null if tokens are set. */
  readonly isForbidden: BrowserGuard | null;
  readonly findCached: Lookups["findCached"];
  readonly send: SendDescribed;
  readonly requestIdOf: (request: IncomingMessage) => string;
}

// Longer bodies are rare, and would evict many others.
const maxMemoizedCharacters = 512;

/**
 * Answers cache hits before Fastify, whose routing and validation take a third of the time of a hit (`npm run bench`). Only
 * plain requests (`POST /metadata`, JSON of a known length, no query) that are authorized, in the documented form and
 * cached as a success. Fastify gets all others unchanged, so that every other rule is in one place.
 */
export function createHits({ identify, isForbidden, findCached, send, requestIdOf, ...options }: HitsOptions) {
  const parseBody = memoizeParser(options.parseBody, {
    maxBytes: options.memoizedBytes,
    maxLength: maxMemoizedCharacters,
  });
  const bodies = new WeakMap<IncomingMessage, Buffer>();

  function isPlain({ method, url, headers }: IncomingMessage): boolean {
    const bytes = Number(headers["content-length"]); // only digits: Node rejects others
    const isBounded = bytes > 0 && bytes <= maxBodyBytes;
    return method === "POST" && url === "/metadata" && headers["content-type"] === "application/json" && isBounded;
  }

  /** Returns the cached answer; null if there is none, or if Fastify has to find and report an error. */
  function answerTo(id: string, body: Buffer, client: Client | null) {
    const startedAt = performance.now();
    try {
      const { target, fields } = parseBody(body.toString());
      return findCached({ id, client }, target, fields, startedAt);
    } catch {
      return null;
    }
  }

  return {
    /** Runs before the server's own listener, which gets all other requests, and during shutdown all requests. */
    takeOver(server: Server): void {
      const [fastify] = server.listeners("request") as [RequestListener];
      server.removeAllListeners("request").on("request", (request, response) => {
        if (!server.listening || !isPlain(request) || isForbidden?.(request.headers)) return fastify(request, response);
        const client = identify ? identify(request.headers.authorization) : null;
        if (identify && !client) return fastify(request, response);
        let body: Buffer | null = null;
        request.on("data", (chunk: Buffer) => (body = body ? Buffer.concat([body, chunk]) : chunk));
        request.on("end", () => {
          const id = requestIdOf(request);
          const described = body && answerTo(id, body, client);
          if (described) return send(request, id, response, described);
          if (body) bodies.set(request, body);
          fastify(request, response);
        });
      });
    },
    /** Passes a body that was read here on to Fastify. */
    replay: ((request, _reply, payload, done) => {
      const body = bodies.get(request.raw);
      if (!body) return done(null, payload);
      done(null, Object.assign(Readable.from([body], { objectMode: false }), { receivedEncodedLength: body.length }));
    }) satisfies preParsingHookHandler,
  };
}
