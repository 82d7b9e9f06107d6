import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Answer, createClient } from "../../src/client/client.ts";
import { corpusBytes, type CorpusRow, corpusRows, corpus } from "../support/corpus.ts";
import { randomIntegers } from "../support/mutations.ts";
import { type Origin, startOrigin } from "../support/origin.ts";
import { type Service, startService } from "../support/service.ts";
import { describeWith } from "../support/require.ts";

type Metadata = Answer["metadata"];

const cuts = 20;
const flips = 50;
const maxAtOnce = 4;
const decodeTimeoutMs = 5000;
// Of the service for one lookup: the decode queue holds the others of this test.
const maxLookupMs = (1 + maxAtOnce) * 2 * decodeTimeoutMs;

const rows = corpusRows().filter(({ kind }) => kind !== "malformed");
const unspecific = ["application/octet-stream", "text/plain"];
// The types of files of which only the beginning is seen: an SVG is XML, also if its root element is not there yet.
const lessSpecific: Readonly<Record<string, RegExp>> = {
  "application/xml": /^image\/svg\+xml$/,
  "application/gzip": /^image\/svg\+xml$/,
  "application/ogg": /^(?:audio|video)\/ogg$/,
};

/** Whether a type is that of the whole file, or one of the same kind, or a less specific one. */
function isCompatible(type: string, whole: string, isCut: boolean): boolean {
  const [kind, subtype] = type.split("/");
  const [wholeKind, wholeSubtype] = whole.split("/");
  if (kind === wholeKind || unspecific.includes(type) || (lessSpecific[type]?.test(whole) ?? false)) return true;
  // One bit is the difference between a track of audio and one of video.
  return !isCut && subtype === wholeSubtype && [kind, wholeKind].every((each) => each === "audio" || each === "video");
}

/** Flips one bit. */
function flip(body: Uint8Array, seed: number): Uint8Array {
  const random = randomIntegers(seed);
  const copy = Uint8Array.from(body);
  copy[random(copy.length)]! ^= 1 << random(8);
  return copy;
}

/** A line for each fact that contradicts the whole file. Flipped bits may be those of a size: then only the kind counts. */
function contradictions(found: Metadata, whole: Metadata, isCut: boolean): string[] {
  const faults = [];
  if (!isCompatible(found.type, whole.type, isCut)) faults.push(`type ${found.type}`);
  if (!isCut) return faults;
  for (const key of ["width", "height"] as const) {
    if (found[key] !== null && found[key] !== whole[key]) faults.push(`${key} ${found[key]}`);
  }
  const isLonger = found.durationMs !== null && found.durationMs > (whole.durationMs ?? 0) * 1.05 + 100;
  if (isLonger) faults.push(`durationMs ${found.durationMs!}`);
  return faults;
}

describeWith(corpus, "files of the corpus with damage", () => {
  let service: Service;
  let origin: Origin;
  let number = 0;
  let closeOrigin: () => unknown = () => undefined;
  const bodies = new Map<string, Uint8Array>();

  beforeAll(async () => {
    origin = await startOrigin(
      (close) => (closeOrigin = close),
      (_request, response) => {
        response.end(bodies.get(_request.url!));
      },
    );
    service = await startService({
      ALLOW_ADDRESSES: "127.0.0.0/8",
      ALLOW_PORTS: "1-65535",
      DECODE_TIMEOUT_MS: String(decodeTimeoutMs),
    });
  });
  afterAll(async () => {
    await service.stop();
    await closeOrigin();
  });

  async function describeBody(bytes: Uint8Array): Promise<Metadata> {
    const path = `/${(number += 1)}`;
    bodies.set(path, bytes);
    const began = performance.now();
    const { metadata } = await createClient({ baseUrl: service.url }).describe(origin.url(path));
    bodies.delete(path);
    expect(performance.now() - began).toBeLessThan(maxLookupMs);
    return metadata;
  }

  test.each(rows)("no answer about $file, cut or flipped, contradicts the whole file", async (row: CorpusRow) => {
    const body = corpusBytes(row);
    const whole = await describeBody(body);
    const variants = [
      ...Array.from({ length: cuts }, (_, index) => {
        const bytes = body.subarray(0, Math.ceil((body.length * index) / cuts));
        return { name: `the first ${bytes.length} bytes`, bytes, isCut: true };
      }),
      ...Array.from({ length: flips }, (_, seed) => ({ name: `flip ${seed}`, bytes: flip(body, seed), isCut: false })),
    ];
    onTestFinished(() => bodies.clear());
    for (let at = 0; at < variants.length; at += maxAtOnce) {
      await Promise.all(
        variants.slice(at, at + maxAtOnce).map(async ({ name, bytes, isCut }) => {
          const found = await describeBody(bytes);
          expect.soft(contradictions(found, whole, isCut), name).toEqual([]);
        }),
      );
    }
  });
});
