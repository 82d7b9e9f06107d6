import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { chooseCoding } from "./accept.ts";
import { answerHeaders, takenOver, writeAnswer } from "./answer.ts";
import type { Access } from "./auth.ts";
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

// Files that the build has compressed lie beside the file, in the order of preference. They hold no secret (BREACH).
const suffixes = { br: ".br", gzip: ".gz" } as const;

type Coding = keyof typeof suffixes;

interface Loaded {
  readonly body: Buffer;
  readonly etag: string;
}

async function load(path: string): Promise<Loaded> {
  const body = await readFile(path);
  return { body, etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"` };
}

/** Creates a reader that keeps each file in memory from its first request. */
function createReader(folder: string): (file: string) => Promise<Loaded> {
  const files = new Map<string, Promise<Loaded>>();
  return (file) => {
    const reading = files.get(file) ?? load(join(folder, file));
    files.set(file, reading);
    reading.catch(() => files.delete(file)); // such as EMFILE: the next request tries again
    return reading;
  };
}

/**
 * Returns where a page of another website leads with a link to an answer (`/?url=`): the page then fills the form, but waits
 * for a click. CSRF: such a link must not start a lookup. A fragment, because the URL need not reach a log of a proxy twice.
 *
 * @returns null if the link has no URL
 */
function draftLocation(requestTarget: string): string | null {
  const url = new URLSearchParams(requestTarget.replace(/^[^?]*/, "")).get("url");
  return url === null ? null : `./#draft=${encodeURIComponent(url)}`;
}

/** The links of the pages are relative. So are the redirects: a proxy may serve the pages below a path. */
function redirect(request: FastifyRequest, reply: FastifyReply, status: 303 | 308, location: string): void {
  const headers = [...answerHeaders(request.id), "Location", location];
  if (status === 303) headers.push("Cache-Control", "no-store");
  writeAnswer(takenOver(reply), status, headers, null);
}

/**
 * Adds the web page at `/` and the API's at `/docs`: the files of a folder, each read at its first request.
 *
 * Path traversal: no part of a request becomes part of a file path, since each file has its own route.
 */
export function addPageRoutes(
  app: FastifyInstance,
  folder: string,
  { pageGuards, isForeignPage }: Pick<Access, "pageGuards" | "isForeignPage">,
): void {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const read = createReader(folder);
  for (const file of files) {
    const contentType = contentTypes[extname(file)];
    if (contentType === undefined) continue;
    const codings = (Object.keys(suffixes) as Coding[]).filter((coding) => files.includes(file + suffixes[coding]));
    const vary = [
      ...(codings.length > 0 ? ["Accept-Encoding"] : []),
      ...(file === "index.html" ? ["Sec-Fetch-Site"] : []),
    ];
    app.route({
      method: "GET",
      url: pathOf(file),
      onRequest: pageGuards,
      schema: { hide: true },
      async handler(request: FastifyRequest, reply: FastifyReply) {
        if (/^[^?]+\/(\?|$)/.test(request.url)) {
          return redirect(request, reply, 308, `../${basename(request.routeOptions.url ?? "")}`);
        }
        if (file === "index.html" && isForeignPage(request.headers)) {
          const location = draftLocation(request.url);
          if (location !== null) return redirect(request, reply, 303, location);
        }
        const coding = chooseCoding(request.headers["accept-encoding"]?.toString(), codings);
        const { body, etag } = await read(coding === null ? file : file + suffixes[coding]);
        const headers = answerHeaders(reply.request.id);
        headers.push("Content-Security-Policy", policy, "Referrer-Policy", "no-referrer");
        headers.push("Cross-Origin-Opener-Policy", "same-origin", "Cache-Control", "no-cache", "ETag", etag);
        if (vary.length > 0) headers.push("Vary", vary.join(", "));
        if (isUnmodified(request.headers["if-none-match"], etag))
          return writeAnswer(takenOver(reply), 304, headers, null);
        if (coding !== null) headers.push("Content-Encoding", coding);
        headers.push("Content-Type", contentType, "Content-Length", String(body.byteLength));
        writeAnswer(takenOver(reply), 200, headers, body);
      },
    });
  }
}
