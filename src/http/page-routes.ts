import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { answerHeaders, takenOver, writeAnswer } from "./answer.ts";
import type { Guards } from "./auth.ts";
import { isUnmodified } from "./reply.ts";

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".svg": "image/svg+xml; charset=utf-8",
  ".jpg": "image/jpeg",
  ".txt": "text/plain; charset=utf-8",
};

// Content security policy: only our own scripts and styles; no frame, no form, no foreign base. Only images may come from
// other origins, because the page can show the described image. swagger-ui has its icons in data: URLs.
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data: http: https:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Returns the URL path of a file: pages at the root, their assets below `/assets/`. */
function pathOf(file: string): string {
  if (file === "index.html") return "/";
  return file.endsWith(".html") ? `/${file.slice(0, -".html".length)}` : `/assets/${file}`;
}

interface Loaded {
  readonly body: Buffer;
  readonly etag: string;
}

async function load(path: string): Promise<Loaded> {
  const body = await readFile(path);
  return { body, etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"` };
}

/**
 * Adds the web page at `/` and the API's at `/docs`: the files of a folder, each read at its first request.
 *
 * Path traversal: no part of a request becomes part of a file path, since each file has its own route.
 */
export function addPageRoutes(app: FastifyInstance, folder: string, guards: Guards): void {
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const contentType = contentTypes[extname(file)];
    if (contentType === undefined) continue;
    let loaded: Promise<Loaded> | null = null;
    app.route({
      method: "GET",
      url: pathOf(file),
      onRequest: guards,
      schema: { hide: true },
      async handler(request: FastifyRequest, reply: FastifyReply) {
        // The links of the page are relative. So is this one: a proxy may serve the page below a path.
        if (/^[^?]+\/(\?|$)/.test(request.url)) {
          const location = ["Location", `../${basename(request.routeOptions.url ?? "")}`];
          return writeAnswer(takenOver(reply), 308, [...answerHeaders(request.id), ...location], null);
        }
        const { body, etag } = await (loaded ??= load(join(folder, file)).catch((error: unknown) => {
          loaded = null; // such as EMFILE: the next request tries again
          throw error;
        }));
        const headers = answerHeaders(reply.request.id);
        headers.push("Content-Security-Policy", policy, "Referrer-Policy", "no-referrer");
        headers.push("Cross-Origin-Opener-Policy", "same-origin", "Cache-Control", "no-cache", "ETag", etag);
        if (isUnmodified(request.headers["if-none-match"], etag))
          return writeAnswer(takenOver(reply), 304, headers, null);
        headers.push("Content-Type", contentType, "Content-Length", String(body.byteLength));
        writeAnswer(takenOver(reply), 200, headers, body);
      },
    });
  }
}
