import { rgbaToBlurhash } from "./blurhash.ts";
import type { Cost, Format, FormatDecoding, Opened } from "../formats/index.ts";
import { type Raster, onWhite, shrink } from "../raster.ts";
import type { WorkerSettings, Clip, Facts, Request, WorkerAnswer } from "../protocol.ts";
import { type Rasters, type VipsMeasurement, createVips } from "./vips.ts";
import type { Decoding, Header, ReaderDecoding } from "../formats/format.ts";
import type { Reader } from "./reader.ts";
import { readers } from "./readers/index.ts";
import { endOfTags } from "../formats/id3.ts";
import { sniff } from "../formats/sniff.ts";
import { rgbaToThumbhash } from "./thumbhash.ts";
import { rgbaToThumbnail } from "./thumbnail.ts";
import type { Preview } from "../../domain/metadata.ts";

/** The result of a request, which {@link WorkerAnswer} carries to the parent. */
export interface WorkerResult extends Omit<
  WorkerAnswer,
  "number" | "rssBytes" | "clipBytes" | "container" | "rotation"
> {
  readonly clip: Clip | null;
}

export { libvips } from "./vips.ts";

export type DescribeRequest = Pick<Request, "operation" | "format" | "allowed">;

/**
 * Measures a body, and decodes it if requested and within the work budget.
 *
 * Never rejects: bad bytes are nulls and a warning.
 */
export type Describe = (request: DescribeRequest, body: Uint8Array) => Promise<WorkerResult>;

/** The facts and the estimated cost of a body before decoding, and the function that decodes it. */
interface BodyMeasurement {
  readonly facts: Facts;
  readonly cost: Cost;
  /** Rasters; or a picture file embedded in the body; or null if there is none. */
  readonly show: () => Promise<Rasters | Uint8Array | null>;
  readonly cut?: () => Promise<Clip | null>;
  /** Whether the reader cannot read the body, of which some facts are known all the same. */
  readonly isBroken?: boolean;
}

const noFacts: Facts = { width: null, height: null, animated: null, durationMs: null };
const components = { x: 4, y: 3 };
const unknownResult: WorkerResult = {
  width: null,
  height: null,
  animated: null,
  durationMs: null,
  blurhash: null,
  thumbhash: null,
  thumbnail: null,
  warning: null,
  expectedBytes: 0,
  expectedMs: 0,
  decodeMs: 0,
  hashMs: 0,
  clip: null,
};

/** @throws Error if libvips does not start as the settings require */
export async function createDescribe({ formats: enabledFormats, clips }: WorkerSettings): Promise<Describe> {
  const vips = await createVips(enabledFormats);

  /** Null if the format is disabled. */
  function decodingOf({ decoding }: Format): FormatDecoding | null {
    return decoding && enabledFormats.some((name) => name === decoding.setting) ? decoding : null;
  }

  async function measure({ operation, format }: DescribeRequest, file: Uint8Array): Promise<BodyMeasurement | null> {
    const decoding = decodingOf(format);
    if (!decoding) return null;
    const body = format.readsTags ? file : file.subarray(endOfTags(file));
    if ("reader" in decoding) return measureByReader(decoding, format, body, operation === "describe");
    const isAnimated = isAnimatedByHead(format, body); // before a sequence becomes a still picture
    const kept = decoding.strip?.(body) ?? body;
    const header = decoding.readHeader?.(kept);
    const { density } = decoding;
    const measured = header ? measurementOf(kept, header) : await vips.measure(kept, { density });
    if (!measured) return null;
    const { opened } = measured;
    // First the parser's size, which early answers have too: libvips knows no CSS units, and less than all of a screen (GIF).
    const size = format.readSize?.(kept) ?? measured.size;
    return {
      facts: { ...size, animated: isAnimated || decoding.isAnimated(opened), durationMs: null },
      cost: costOf(decoding, opened),
      show: () => {
        const completed = decoding.complete?.(kept) ?? null;
        const options = { isStrict: completed !== null, density, maxPixels: opened.pixels };
        return vips.readRasters(completed ?? kept, size, options);
      },
    };
  }

  async function measureByReader(
    decoding: Extract<FormatDecoding, ReaderDecoding>,
    format: Format,
    body: Uint8Array,
    isWhole: boolean,
  ) {
    const reader = await readers[decoding.reader]();
    const size = reader.measure ? null : format.readSize?.(body);
    const pixels = size ? size.width * size.height : 0;
    const opened = { head: body, isProgressive: false, bytesAPixel: 4, pages: 1, pixels };
    const facts = size && { ...size, animated: decoding.isAnimated(opened), durationMs: null };
    const measured = facts ? { facts, isBroken: false } : await measureTracks(reader, format, body, isWhole);
    if (!measured) return null;
    const cost = costOf(decoding, opened);
    return {
      ...measured,
      cost: { ...cost, bytes: cost.bytes + decoding.libraryBytes },
      show: async () => {
        const shown = await reader.show(body);
        return shown && ("picture" in shown ? shown.picture : vips.sample(shown));
      },
      ...(clips && { cut: async () => (await reader.cut?.(body).catch(() => null)) ?? null }),
    };
  }

  async function describe(request: DescribeRequest, body: Uint8Array): Promise<WorkerResult> {
    const { operation, format, allowed } = request;
    const startedAt = performance.now();
    const elapsed = () => ({ decodeMs: performance.now() - startedAt, hashMs: 0 });
    let known = unknownResult;
    try {
      const measured = await measure(request, body);
      if (!measured) {
        const size = format.readSize?.(body);
        const animated = size && isAnimatedByHead(format, body) ? true : null;
        return {
          ...unknownResult,
          ...size,
          animated,
          warning: size && operation === "measure" ? null : "decode_failed",
          ...elapsed(),
        };
      }
      const { facts, cost, isBroken = false } = measured;
      known = { ...unknownResult, ...facts, warning: isBroken ? "decode_failed" : null, ...expectedOf(cost) };
      if (operation === "measure") return { ...known, ...elapsed() };
      if (cost.bytes > allowed.bytes || cost.milliseconds > allowed.milliseconds) {
        return { ...known, warning: "too_many_pixels", ...elapsed() };
      }
      const clip = (await measured.cut?.()) ?? null;
      known = { ...known, clip };
      // A reader that fails at a file whose facts are all known has no picture of it.
      const shown = await (isComplete(format, facts) ? measured.show().catch(() => null) : measured.show());
      if (!shown) return { ...known, ...elapsed() };
      if (shown instanceof Uint8Array) {
        const embedded = await describeEmbedded(shown, allowed);
        // A broken cover does not make the song broken.
        const warning = format.kind !== "image" && embedded.warning === "decode_failed" ? null : embedded.warning;
        return { ...embedded, ...facts, clip, warning, ...elapsed() };
      }
      const { decodeMs } = elapsed();
      return { ...known, ...previewOf(shown), decodeMs, hashMs: performance.now() - startedAt - decodeMs };
    } catch {
      return { ...known, warning: "decode_failed", ...elapsed() };
    }
  }

  /** Describes an embedded picture. Only formats of libvips: no recursion. */
  async function describeEmbedded(picture: Uint8Array, allowed: Cost): Promise<WorkerResult> {
    const format = sniff(picture);
    const decoding = format && decodingOf(format);
    if (!decoding || "reader" in decoding) return { ...unknownResult, warning: "decode_failed" };
    return describe({ operation: "describe", format, allowed }, picture);
  }

  return describe;
}

/**
 * Measures a body by the read plan of its format, which knows the durations, and by its reader for what the plan does not
 * know. So an early answer and that of the whole file are the same, and a failing library loses no fact.
 */
async function measureTracks(reader: Reader, format: Format, body: Uint8Array, isWhole: boolean) {
  const isTracks = format.kind === "audio" || format.kind === "video";
  const file = { prefix: body, parts: [], length: isWhole ? body.length : null };
  const planned = isTracks ? format.plan.facts(file).known : {};
  const known = { ...noFacts, ...planned };
  if (isComplete(format, known)) return { facts: known, isBroken: false };
  try {
    const measured = await reader.measure?.(body, isWhole);
    return measured ? { facts: { ...measured, ...planned }, isBroken: false } : null;
  } catch (error) {
    if (Object.keys(planned).length === 0) throw error;
    return { facts: known, isBroken: true };
  }
}

/** Whether nothing is missing of the facts that a file of audio or video has. */
function isComplete({ kind }: Format, { width, durationMs }: Facts): boolean {
  return durationMs !== null && (kind === "audio" || (kind === "video" && width !== null));
}

/** Clamps the estimates: the header of a pixel bomb may declare a million years of work. */
function expectedOf({ bytes, milliseconds }: Cost): Pick<WorkerResult, "expectedBytes" | "expectedMs"> {
  return { expectedBytes: Math.min(2 ** 52, Math.ceil(bytes)), expectedMs: Math.min(1e8, Math.ceil(milliseconds)) };
}

/** Whether the head proves an animation; false means unknown. */
function isAnimatedByHead({ decoding }: Format, head: Uint8Array): boolean {
  return decoding?.isAnimated({ head, isProgressive: false, bytesAPixel: 4, pages: 1, pixels: 0 }) ?? false;
}

function measurementOf(body: Uint8Array, { size, ...header }: Header): VipsMeasurement {
  return { size, opened: { ...header, head: body, pages: 1, pixels: size.width * size.height } };
}

function costOf(decoding: Decoding, opened: Opened): Cost {
  return {
    bytes: opened.head.byteLength + opened.pixels * decoding.bytesPerPixel(opened),
    milliseconds: (opened.pixels * decoding.nanosecondsPerPixel(opened)) / 1e6,
  };
}

function previewOf({ blurhash, thumbhash }: Rasters): Preview {
  const bytes = rgbaToThumbhash(thumbhash.width, thumbhash.height, thumbhash.rgba);
  return {
    blurhash: rgbaToBlurhash(blurhash.width, blurhash.height, blurhash.rgba, components),
    thumbhash: Buffer.from(bytes).toString("base64"),
    thumbnail: rgbaToThumbnail(thumbhash),
  };
}

/** Warms up the JIT compiler: without it, the hashes of the first picture take 90 ms instead of 2 ms. */
export function warmUp(): void {
  const raster = (side: number): Raster => ({
    width: side,
    height: side,
    rgba: Uint8Array.from({ length: side * side * 4 }, (_, at) => (at * 7919) % 256),
  });
  for (let round = 0; round < 4; round += 1)
    previewOf({ blurhash: onWhite(raster(128)), thumbhash: shrink(raster(128), raster(100)) });
}
