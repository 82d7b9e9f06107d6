import type { IncomingMessage, ServerResponse } from "node:http";
import { wants } from "./accept.ts";
import { answerHeaders, writeAnswer } from "./answer.ts";
import { age, cacheControl, cacheStatus, serverTiming } from "./freshness.ts";
import type { Described } from "./lookups.ts";
import { etagOf, isUnmodified, renderedElement, renderedReply } from "./reply.ts";

/** Sends the metadata of a URL as JSON or XML, by `Accept`, with cache headers. */
export type SendDescribed = (
  request: Pick<IncomingMessage, "method" | "headers">,
  requestId: string,
  response: ServerResponse,
  described: Described,
) => void;

const xmlTypes = ["application/xml", "text/xml"];

/**
 * @param scope for `Cache-Control`: `private` if a token is needed to read the responses
 * @param vary request headers besides `Accept` that responses vary by
 */
export function createSend(scope: "public" | "private", vary: readonly string[]): SendDescribed {
  const varyHeader = ["Accept", ...vary].join(", ");
  return ({ method, headers: requested }, requestId, response, { target, description, answer }) => {
    const { cached, kept } = description;
    const { metadata, partial } = answer;
    const now = Date.now();
    const headers = answerHeaders(requestId);
    headers.push("Cache-Control", kept === null || partial ? "no-store" : cacheControl(scope, kept));
    headers.push("Cache-Status", cacheStatus(cached, kept, now), "Server-Timing", serverTiming(description));
    if (kept !== null && (cached === "hit" || cached === "stale")) headers.push("Age", age(kept, now));
    const isXml = wants(requested.accept, xmlTypes);
    const rendered = isXml ? renderedElement(metadata) : renderedReply(target, metadata, partial);
    if (method !== "POST" && !partial) {
      const etag = etagOf(rendered);
      headers.push("Vary", varyHeader, "ETag", etag);
      if (isUnmodified(requested["if-none-match"], etag)) return writeAnswer(response, 304, headers, null);
    }
    headers.push("Content-Type", rendered.contentType, "Content-Length", rendered.contentLength);
    writeAnswer(response, 200, headers, rendered.body);
  };
}
