/** Simulates a day of requests from chat rooms, with the real pipeline and cache, fake origins and a virtual clock. */
import { hash } from "node:crypto";
import { cached } from "../../src/cache/cached.ts";
import { createKeys } from "../../src/cache/key.ts";
import { createMemory } from "../../src/cache/memory.ts";
import { memoizeAsync } from "../../src/cache/memoize.ts";
import { createCachePolicy } from "../../src/cache/cache-policy.ts";
import type { Description, Oracle } from "../../src/domain/description.ts";
import { OracleError } from "../../src/domain/errors.ts";
import type { Target } from "../../src/domain/target.ts";
import type { CacheHeaders } from "../../src/domain/terms.ts";
import type { OpenSource } from "../../src/fetch/source.ts";
import type { Decoder, Picture } from "../../src/media/decode/decoder.ts";
import { createOracle } from "../../src/oracle.ts";
import { openAdmission } from "../../test/support/admission.ts";
import { targetOf } from "../../test/support/targets.ts";
import { createVirtualTime, type VirtualTime } from "./virtual-time.ts";

export interface ReplayOptions {
  readonly urls: number;
  readonly messages: number;
  readonly hours: number;
}

export interface ReplayFigures {
  /** Number of API requests. */
  readonly calls: number;
  /** Number of origin requests. */
  readonly requests: number;
  /** Number of origin requests that were answered with a body. */
  readonly bodies: number;
  readonly decodes: number;
  /** Number of API requests that had to wait for an origin. */
  readonly waited: number;
}

const secondMs = 1000;
const hourMs = 3600 * secondMs;
const start = Date.UTC(2026, 0, 1);

// Duration of a fetch, and of a conditional or failed request; decoding takes no virtual time.
const fetchMs = 300;
const revalidateMs = 80;

/** Creates a deterministic generator of numbers from 0 to 1 (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A kind of origin response; `share` is its share of all URLs. */
interface Kind {
  readonly share: number;
  readonly cacheControl?: string;
  readonly hasTag?: boolean;
  /** Time since the last modification, at the start. */
  readonly lastChangeMs?: number;
  readonly status?: number;
}

const kinds: readonly Kind[] = [
  { share: 0.3, cacheControl: "max-age=31536000, immutable" }, // Prosody's own upload host
  { share: 0.2, cacheControl: "public, max-age=86400", hasTag: true },
  { share: 0.15, cacheControl: "max-age=300", hasTag: true },
  { share: 0.15, lastChangeMs: 5 * 24 * hourMs },
  { share: 0.08 },
  { share: 0.04, cacheControl: "no-store" },
  { share: 0.06, status: 404 },
  { share: 0.02, status: 503 },
];

function kindOf(position: number): Kind {
  let left = position;
  for (const kind of kinds) if ((left -= kind.share) < 0) return kind;
  return kinds[0]!;
}

// 5 % of the URLs change once in the day; 10 % have the same bytes as another URL.
const changingShare = 0.05;
const sharedShare = 0.1;

const defaultTerms = { isRedirected: false, expires: undefined, age: undefined };

function createWeb({ urls }: ReplayOptions, time: VirtualTime) {
  const random = createRandom(2);
  const pages = Array.from({ length: urls }, (_, index) => ({
    kind: kindOf(random()),
    content: random() < sharedShare ? Math.floor(random() * index) : index,
    changesAt: start + (random() < changingShare ? random() * 24 * hourMs : Infinity),
  }));
  const figures = { requests: 0, bodies: 0, decodes: 0 };

  const openSource: OpenSource = async ({ url }, validators) => {
    const { kind, content, changesAt } = pages[Number(url.pathname.slice(1))]!;
    figures.requests += 1;
    if (kind.status !== undefined) {
      await time.after(revalidateMs);
      throw new OracleError("source_status", "", { upstreamStatus: kind.status });
    }
    const hasChanged = time.now() >= changesAt;
    const version = `${content}.${hasChanged ? 1 : 0}`;
    const changedAt = hasChanged ? changesAt : start - (kind.lastChangeMs ?? 0);
    const etag = kind.hasTag ? `"${version}"` : null;
    const lastModified = kind.lastChangeMs === undefined ? null : new Date(changedAt).toUTCString();
    const terms: CacheHeaders = {
      ...defaultTerms,
      cacheControl: kind.cacheControl,
      date: new Date(time.now()).toUTCString(),
      lastModified: lastModified ?? undefined,
      validators: (etag ?? lastModified) ? { etag, lastModified, urlHash: "" } : null,
    };
    const isSame =
      etag === null ? lastModified !== null && validators?.lastModified === lastModified : validators?.etag === etag;
    if (isSame) {
      await time.after(revalidateMs);
      return { isNotModified: true, terms, [Symbol.dispose]: () => undefined };
    }
    figures.bodies += 1;
    await time.after(fetchMs);
    const bytes = Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), Buffer.from(version)]);
    const body = { bytes, sha256: hash("sha256", bytes), warning: null };
    return {
      isNotModified: false,
      terms,
      declaredBytes: bytes.byteLength,
      declaredType: "image/png",
      filename: null,
      arrived: () => Promise.resolve(bytes),
      body: () => Promise.resolve(body),
      isTooLarge: false,
      stop: () => undefined,
      received: bytes,
      outcome: body,
      range: () => Promise.resolve(null),
      close: () => undefined,
      [Symbol.dispose]: () => undefined,
    };
  };
  const picture: Picture = {
    width: 640,
    height: 480,
    animated: false,
    durationMs: null,
    blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
    thumbhash: "1QcSHQRnh493V4dIh4eXh1h4kJUI",
    thumbnail:
      "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAYAAAAICAIAAABVpBlvAAAAo0lEQVR42gGYAGf/AEhSc19lf3F0h21zhV5sg1VqhgBmZ3x9eomNh4+EgIhydoJqdYYAmYyStaSky7awv62lp5yanpqdAIZwaqSKf7+hj7GVg5J+cYh6cwA/LCRUPDBsUD5gRjREMSU/My0AFQ4QHREPMyQcMyUeJR4dKikuAAIIGgQGEhoaIiIkLRYfLhkoPgAACCMAAhkNGCoSHzMBDScACytO3S/DxEINCQAAAABJRU5ErkJggg==",
    warning: null,
    decodeTimeoutCause: null,
    queueMs: 0,
    decodeMs: 0,
    hashMs: 0,
  };
  const decoder: Pick<Decoder, "describe" | "measure"> = {
    describe() {
      figures.decodes += 1;
      return Promise.resolve(picture);
    },
    measure: () => Promise.resolve(picture),
  };
  return { figures, openSource, decoder };
}

const cacheBytes = 64 * 1024 ** 2;
const limits = { minMs: 60 * secondMs, maxMs: 7 * 24 * hourMs, defaultMs: hourMs, failureMs: 60 * secondMs };

/** A cache under test. */
type CacheUnderTest = (target: Target) => { readonly isWaitedFor: boolean; readonly done: Promise<unknown> };

/** The project's cache, composed as in the service. */
function ours(web: ReturnType<typeof createWeb>, time: VirtualTime): CacheUnderTest {
  const random = createRandom(3);
  const decodeOnce = memoizeAsync<Picture>({ maxBytes: cacheBytes / 16, isFinal: ({ warning }) => warning === null });
  const oracle = cached(pipelineOf(web, decodeOnce), {
    keyOf: createKeys(null),
    memory: createMemory(cacheBytes),
    shared: null,
    policy: createCachePolicy({ limits, now: time.now, random }),
    now: time.now,
  });
  return (target) => {
    const description = oracle(target);
    return { isWaitedFor: description.kept === null, done: description.done };
  };
}

/**
 * A map with the same TTLs, for failures too, and nothing else: each request for an expired entry fetches and decodes again,
 * without request coalescing.
 */
function plain(web: ReturnType<typeof createWeb>, time: VirtualTime): CacheUnderTest {
  const decide = createCachePolicy({ limits, now: time.now, random: createRandom(3) });
  const oracle = pipelineOf(web, async (_sha256, look) => ({ result: await look(), isOwn: true }));
  const entries = new Map<string, number>();
  return (target) => {
    if ((entries.get(target.href) ?? 0) > time.now()) return { isWaitedFor: false, done: Promise.resolve() };
    const lookup = async (description: Description) => {
      const ending = await description.done.then(
        (metadata) => ({ metadata, fields: null, terms: description.terms, isConfirmed: false, error: null }) as const,
        (error: unknown) => ({ metadata: null, terms: null, isConfirmed: false, error: error as OracleError }) as const,
      );
      const entry = decide(ending, null);
      entries.set(target.href, entry?.success?.freshUntil ?? entry?.setback?.until ?? 0);
    };
    return { isWaitedFor: true, done: lookup(oracle(target)) };
  };
}

function pipelineOf(
  { openSource, decoder }: ReturnType<typeof createWeb>,
  decodeOnce: Parameters<typeof createOracle>[0]["decodeOnce"],
): Oracle {
  const spans = { fetchTimeoutMs: 2 ** 30, patienceMs: 2 ** 30 };
  return createOracle({
    admission: openAdmission(),
    openSource,
    decoder: decoder as Decoder,
    decodeOnce,
    wholeBytes: 16 * 1024 ** 2,
    ...spans,
  });
}

/** Chooses URLs by Zipf's law with exponent 1: the second most frequent URL is half as frequent as the first. */
function createChoice(urls: number, random: () => number): () => number {
  const sums = new Float64Array(urls);
  for (let rank = 0, sum = 0; rank < urls; rank += 1) sums[rank] = sum += 1 / (rank + 1);
  return () => {
    const position = random() * sums[urls - 1]!;
    let [low, high] = [0, urls - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! < position) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** Returns the number of chat servers that request the URL of one message at the same time: one, or more for a shared room. */
function countCallers(random: () => number): number {
  let callers = 1;
  while (random() < 0.3) callers += 1;
  return callers;
}

/** Replays the day with one of the two caches; the requests are the same for both. */
export async function replay(cache: "ours" | "plain", options: ReplayOptions): Promise<ReplayFigures> {
  const time = createVirtualTime(start);
  const web = createWeb(options, time);
  const request = { ours, plain }[cache](web, time);
  const random = createRandom(1);
  const choose = createChoice(options.urls, random);
  const targets = Array.from({ length: options.urls }, (_, index) => targetOf(`https://a.example.org/${index}`));
  let calls = 0;
  let waited = 0;
  for (let message = 0; message < options.messages; message += 1) {
    await time.advanceTo(start + ((message + random()) / options.messages) * options.hours * hourMs);
    const target = targets[choose()]!;
    for (let callers = countCallers(random); callers > 0; callers -= 1) {
      const { isWaitedFor, done } = request(target);
      done.catch(() => undefined);
      calls += 1;
      if (isWaitedFor) waited += 1;
    }
  }
  await time.advanceTo(Infinity);
  return { calls, waited, ...web.figures };
}
