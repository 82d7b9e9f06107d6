/**
 * A program that fills a cache through the HTTP routes, with a fake pipeline, and prints the growth of the heap as JSON.
 *
 * Arguments: the bytes of the cache, and a kind of {@link kinds}. Needs `--expose-gc`.
 */
import { hash } from "node:crypto";
import { pino } from "pino";
import { Pool } from "undici";
import { cached } from "../../src/cache/cached.ts";
import { createCachePolicy } from "../../src/cache/cache-policy.ts";
import { createKeys } from "../../src/cache/key.ts";
import { createMemory } from "../../src/cache/memory.ts";
import { memoizeAsync, pictureShare } from "../../src/cache/memoize.ts";
import { type Oracle, startDescription } from "../../src/domain/description.ts";
import { OracleError } from "../../src/domain/errors.ts";
import { type Metadata, unknownMetadata } from "../../src/domain/metadata.ts";
import { filenameOf } from "../../src/fetch/headers.ts";
import { parseHead, type ResponseHead } from "../../src/fetch/response-head.ts";
import { createTargetParser, parsePortRange } from "../../src/fetch/target.ts";
import { cacheHeadersOf } from "../../src/fetch/terms.ts";
import { createApp } from "../../src/http/app.ts";
import { connectionLimitOf } from "../../src/http/connection-limit.ts";
import { idleGauges } from "../../src/http/gauges.ts";
import { createMetrics } from "../../src/http/metrics.ts";
import { parsedShare } from "../../src/http/memoize-parser.ts";
import { inactivityTimeoutMs } from "../../src/http/timeouts.ts";
import { type Picture, unknownPicture } from "../../src/media/decode/picture.ts";
import { type CacheContent, type CacheGrowth, kinds } from "./cache-kinds.ts";

const dayMs = 24 * 60 * 60_000;
const concurrency = 16;
const warmUpUrls = 300;

/** Parses a head of several kilobytes: texts of it that are cached must not keep the rest. */
function headersOf({ filename, etag }: CacheContent, sha256: string): ResponseHead["headers"] {
  const lines = [
    "HTTP/1.1 200 OK",
    "Cache-Control: max-age=604800",
    ...(etag === null ? [] : [`ETag: "${sha256}${etag}"`]),
    ...(filename === null ? [] : [`Content-Disposition: attachment; filename="${sha256}/${filename}"`]),
    `X-More: ${"a".repeat(8000)}`,
  ];
  const head = parseHead(Buffer.from(lines.join("\r\n")).toString("latin1"));
  if ("refusal" in head) throw new Error(head.refusal);
  return head.headers;
}

function metadataOf({ isPicture }: CacheContent, sha256: string, headers: ResponseHead["headers"]): Metadata {
  // As from JSON or a header: each entry has its own texts.
  const own = (text: string) => JSON.parse(JSON.stringify(`${sha256}${text}`).replace(sha256, "")) as string;
  const preview = {
    blurhash: own("LEHV6nWB2yk8pyo0adR*.7kCMdnj"),
    thumbhash: own("1QcSHQRnh493V4dIh4eXh1h4kJUI+/AB=="),
    thumbnail: own(`data:image/png;base64,iVBORw0KGgo${"A".repeat(367)}`),
  };
  const facts = { bytes: 1e9 + 0.5, bytesSource: "counted", sha256, filename: filenameOf(headers) } as const;
  return {
    ...unknownMetadata,
    ...facts,
    type: "text/plain",
    ...(isPicture && { ...preview, width: 1e4, height: 1e4 }),
  };
}

/** A pipeline without network and decoder. */
function fakePipeline(content: CacheContent, cacheBytes: number): Oracle {
  const decodeOnce = memoizeAsync<Picture>({ maxBytes: cacheBytes * pictureShare, isFinal: () => true });
  return (target) =>
    startDescription(async (progress) => {
      if (content.fails) throw new OracleError("source_status", "404", { upstreamStatus: 404 });
      const sha256 = hash("sha256", target.href);
      const headers = headersOf(content, sha256);
      const metadata = metadataOf(content, sha256, headers);
      const { blurhash, thumbhash, thumbnail } = metadata;
      const picture = { ...unknownPicture, blurhash, thumbhash, thumbnail, queueMs: 0.5, decodeMs: 0.5, hashMs: 0.5 };
      await decodeOnce(sha256, () => Promise.resolve(picture));
      progress.setCacheHeaders(cacheHeadersOf(headers, sha256, false));
      return progress.learn(metadata);
    });
}

async function startServer(content: CacheContent, cacheBytes: number) {
  const now = Date.now;
  const oracle = cached(fakePipeline(content, cacheBytes), {
    keyOf: createKeys("the settings of the test"),
    memory: createMemory(cacheBytes * (1 - pictureShare - parsedShare)),
    shared: null,
    policy: createCachePolicy({
      limits: { minMs: dayMs, maxMs: dayMs, defaultMs: dayMs, failureMs: dayMs },
      now,
      random: () => 0.5,
    }),
    now,
  });
  const parseTarget = createTargetParser({
    allowPorts: [parsePortRange("80")],
    extraPorts: [],
    allowHosts: [],
    denyHosts: [],
    rewrites: [],
  });
  const app = await createApp({
    oracle,
    invalidate: oracle.invalidate,
    isCached: oracle.isCached,
    parseTarget,
    memoizedBytes: cacheBytes * parsedShare,
    tokens: [],
    namedTokens: null,
    hostnames: null,
    corsOrigins: [],
    isTrustedProxy: null,
    inactivityTimeoutMs,
    rateLimit: null,
    readiness: () => "ok",
    metrics: createMetrics(idleGauges),
    logger: pino({ level: "silent" }),
    version: () => ({ version: "0", commit: null, node: "", libvips: null, formats: [] }),
    connectionLimit: connectionLimitOf(Infinity, { fetches: 1, workers: 1 }),
    tracing: null,
    page: null,
  });
  return {
    app,
    url: await app.listen({ host: "127.0.0.1", port: 0 }),
    forget: (url: string) => oracle.invalidate(parseTarget(url)),
  };
}

async function heapBytes(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    gc!();
    await new Promise((resolve) => setTimeout(resolve, 50)); // weak references and finalizers
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function measure(cacheBytes: number, content: CacheContent): Promise<CacheGrowth> {
  const { app, url, forget } = await startServer(content, cacheBytes);
  const pool = new Pool(url, { connections: concurrency });
  const ask = async (target: string) => {
    const body = JSON.stringify({ url: target });
    const headers = { "content-type": "application/json" };
    const reply = await pool.request({ method: "POST", path: "/metadata", headers, body });
    await reply.body.dump();
  };
  /** Each URL twice, once more as a query: the cache and all that is memoized at a hit. */
  const askAll = async (urls: string[]) => {
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        for (let next = urls.pop(); next !== undefined; next = urls.pop()) {
          await ask(next);
          await ask(next);
          const path = `/metadata?url=${encodeURIComponent(next)}`;
          await (await pool.request({ method: "GET", path })).body.dump();
        }
      }),
    );
  };
  const urlOf = (index: number) => `http://example.org/${"a".repeat(content.urlCharacters)}${index}`;
  const warmUp = Array.from({ length: warmUpUrls }, (_, index) => `http://example.org/${-index}`);
  await askAll([...warmUp]);
  for (const each of warmUp) await forget(each);
  const before = await heapBytes();
  await askAll(Array.from({ length: Math.ceil(cacheBytes / content.leastBytes) }, (_, index) => urlOf(index)));
  const growthBytes = (await heapBytes()) - before;
  await pool.close();
  await app.close();
  return { growthBytes, ratio: growthBytes / cacheBytes };
}

const [bytes = "", kind = ""] = process.argv.slice(2);
process.stdout.write(JSON.stringify(await measure(Number(bytes), kinds[kind as keyof typeof kinds])));
