import type { FastifyInstance } from "fastify";
import { OracleError } from "../domain/errors.ts";
import { answerHeaders, takenOver, writeAnswer } from "./answer.ts";

/** Returns the path of a request target as the router reads it: decoded, without query and trailing slash. */
function pathOf(target: string): string {
  const [path = ""] = target.split("?", 1);
  // The router has refused paths that cannot be decoded.
  return decodeURI(path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path);
}

/**
 * Answers requests that have no route: 204 to OPTIONS and 405 to other methods of a known path, both with `Allow` (RFC 9110
 * 9.3.7, 15.5.6); otherwise 404. Routes that are added later are known. A hook, so that no body is read or parsed for it.
 */
export function answerUnrouted(app: FastifyInstance): void {
  const methodsByPath = new Map<string, string[]>();
  app.addHook("onRoute", ({ method, url }) => {
    methodsByPath.set(url, [...(methodsByPath.get(url) ?? []), ...[method].flat()]);
  });
  app.addHook("onRequest", (request, reply, done) => {
    if (!request.is404) return done();
    const methods = methodsByPath.get(pathOf(request.url));
    if (!methods) return done(new OracleError("route_unknown", "no such route"));
    const allow = [...methods, "OPTIONS"].join(", ");
    if (request.method === "OPTIONS") {
      return writeAnswer(takenOver(reply), 204, [...answerHeaders(request.id), "Allow", allow], null);
    }
    reply.header("allow", allow);
    const detail = `The methods of this route are ${allow}.`;
    return done(new OracleError("method_unsupported", "no such method", { detail }));
  });
}
