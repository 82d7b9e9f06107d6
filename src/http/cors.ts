/**
 * CORS (Fetch Standard 3.3): lets pages of the operator's listed origins use the API through a browser.
 *
 * Node's response gets the headers before any other code runs, since most answers bypass Fastify's reply (answer.ts, hits.ts),
 * where a plugin would set them. Answers never allow credentials: a page sends its token itself.
 */
import type { IncomingHttpHeaders, Server } from "node:http";

export interface CorsOptions {
  /** Origins as browsers write them, or `*` for all; empty if no other page may use the API. */
  readonly corsOrigins: readonly string[];
}

// What the API has. A preflight is valid for all of its routes.
const methods = "GET, HEAD, POST, DELETE";
const requestHeaders = "Accept, Authorization, Content-Type, If-None-Match, Traceparent, X-Request-Id";
const responseHeaders =
  "Age, Allow, Cache-Status, ETag, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, X-Request-Id";

// The longest time that Chromium caches a preflight: 2 hours.
const maxAgeSeconds = "7200";

/** Whether a page of this origin may use the API. Requests without `Origin` are not from a script of another page. */
export function isListedOrigin(origin: string | undefined, { corsOrigins }: CorsOptions): boolean {
  return origin !== undefined && (corsOrigins.includes("*") || corsOrigins.includes(origin));
}

/** Returns the headers that responses vary by, for caches that pages of several origins share. */
export function varyOf({ corsOrigins }: CorsOptions): readonly string[] {
  return corsOrigins.length > 0 && !corsOrigins.includes("*") ? ["Origin"] : [];
}

function corsHeaders({ origin = "" }: IncomingHttpHeaders, { corsOrigins }: CorsOptions): Record<string, string> {
  return {
    "Access-Control-Allow-Origin": corsOrigins.includes("*") ? "*" : origin,
    "Access-Control-Expose-Headers": responseHeaders,
  };
}

const preflightHeaders = {
  "Access-Control-Allow-Methods": methods,
  "Access-Control-Allow-Headers": requestHeaders,
  "Access-Control-Max-Age": maxAgeSeconds,
};

/** Adds the CORS headers to all responses of a server. The answer to OPTIONS, which needs no token, becomes a preflight's. */
export function allowOrigins(server: Server, options: CorsOptions): void {
  if (options.corsOrigins.length === 0) return;
  const vary = varyOf(options);
  server.prependListener("request", ({ method, headers }, response) => {
    if (vary.length > 0) response.setHeader("Vary", vary.join(", "));
    if (!isListedOrigin(headers.origin, options)) return;
    const isPreflight = method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
    const added = { ...corsHeaders(headers, options), ...(isPreflight && preflightHeaders) };
    for (const [name, value] of Object.entries(added)) response.setHeader(name, value);
  });
}
