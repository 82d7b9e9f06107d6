import { type Test, asBuffer, createWorkBudget, memoized } from "./bytes.ts";
import { clipSeconds, previewInSteps, usualSeconds } from "./clip.ts";
import type { Row } from "./format.ts";
import { readMovieDuration } from "./isobmff-duration.ts";
import { findFragmentsEnd } from "./isobmff-fragments.ts";
import { type Movie, type SampleTable, type Track, readMovie } from "./isobmff-movie.ts";
import { type SampleSpan, copyTrack, findSampleSpan } from "./isobmff-samples.ts";
import { brandsIn, firstBox, readFileBox, readTracks, withoutMedia } from "./isobmff.ts";
import type { FactsStep, Need, PreviewStep, ReadPlan, ReceivedFile } from "./plan.ts";
import {
  clampToFile,
  durationFact,
  foundPreview,
  needNextHeader,
  needRange,
  needWhole,
  noFacts,
  noPreview,
  readRange,
  wholePreview,
} from "./received.ts";
import { audio, video } from "./tracks.ts";

const tracksIn = memoized(readTracks);

function isMp4Audio(head: Uint8Array): boolean {
  const [major] = brandsIn(head);
  if (major === undefined || major === "qt  ") return false;
  if (/^M4[ABP]/.test(major)) return true; // the fourth character is a space, or a zero of careless writers
  const { hasVideo, hasAudio } = tracksIn(head);
  return hasAudio === true && hasVideo === false;
}

// Enough for the index of a film of three hours.
const maxMovieBytes = 8 * 1024 ** 2;
const firstLookBytes = 64 * 1024;

/** The movie header (`moov`), or the bytes in which to look for it. */
export type FoundMovie = { readonly end: number; readonly bytes: Uint8Array } | { readonly need: Need | null };

/** Walks over the top-level boxes, through the prefix and the parts, to the movie header. */
export function findMovie(file: ReceivedFile): FoundMovie {
  const work = createWorkBudget();
  const fileEnd = file.length ?? Infinity;
  for (let at = 0; at < fileEnd && work.step();) {
    const box = readFileBox(file, at);
    if (!box) return { need: needFrom(file, at) };
    if (box.next === null || box.type === "moof") return { need: null }; // a segment without the header of its movie
    const end = box.next === Infinity ? fileEnd : box.next;
    if (box.type === "moov") {
      if (end - at > maxMovieBytes) return { need: needWhole(file) };
      const bytes = readRange(file, at, end);
      return bytes ? { end, bytes } : { need: needRange(file, at, end) };
    }
    at = end;
  }
  return { need: null };
}

/** What follows the media: mostly the movie header alone, so that one request gets all of it. */
function needFrom(file: ReceivedFile, at: number): Need | null {
  const rest = (file.length ?? Infinity) - at;
  return needNextHeader(file, at, rest <= maxMovieBytes ? rest : firstLookBytes);
}

/** Dimensions and duration lie in the movie header; the duration of a fragmented file perhaps behind it. */
function planFacts(file: ReceivedFile): FactsStep {
  const found = findMovie(file);
  if ("need" in found) return noFacts(found.need);
  const movie = readMovie(found.bytes);
  if (!movie) return noFacts();
  const { durationMs, need } = readMovieDuration(file, movie, found.end);
  const known = { ...primaryVideo(movie)?.size, ...durationFact(durationMs) };
  return { known, measurable: null, head: withoutMedia(file.prefix, found.bytes), need };
}

/** The video of a whole movie file; null if it has none, or is no such file. */
export function findVideo(body: Uint8Array): Track | null {
  const found = findMovie({ prefix: body, parts: [], length: body.length });
  const movie = "need" in found ? null : readMovie(found.bytes);
  return (movie && primaryVideo(movie)) ?? null;
}

/** The video that a player shows: the first that is on by default. */
function primaryVideo({ tracks }: Movie): Track | undefined {
  const videos = tracks.filter(({ size }) => size !== null);
  return videos.find(({ isEnabled }) => isEnabled) ?? videos[0];
}

function planPreview(file: ReceivedFile): PreviewStep {
  const found = findMovie(file);
  if ("need" in found) return noPreview(found.need);
  const { bytes: moov, end } = found;
  const movie = readMovie(moov);
  if (!movie) return noPreview();
  const track = movie.tracks.find(({ isVideo }) => isVideo);
  if (!track) return previewCover(file, moov);
  if (track.samples) return previewSamples(file, moov, movie, track, track.samples);
  return movie.isFragmented && end <= file.prefix.length ? previewFragments(file, track, end) : wholePreview(file);
}

/** The cover of a song lies in its movie header (iTunes: `moov/udta/meta/ilst/covr`). */
function previewCover(file: ReceivedFile, moov: Uint8Array): PreviewStep {
  if (!asBuffer(moov).includes("covr")) return noPreview();
  return foundPreview(withoutMedia(file.prefix, moov));
}

/** A movie of the first samples of one track. */
function previewSamples(
  file: ReceivedFile,
  moov: Uint8Array,
  movie: Movie,
  track: Track,
  samples: SampleTable,
): PreviewStep {
  const usual = findSampleSpan(moov, samples, track.timescale, usualSeconds);
  const latest = findSampleSpan(moov, samples, track.timescale, clipSeconds);
  if (!usual || !latest) return wholePreview(file);
  const start = withoutMedia(file.prefix, new Uint8Array());
  const excerptOf = ({ from, to }: SampleSpan) => {
    const media = readRange(file, from, clampToFile(file, to));
    return media && copyTrack(start, moov, movie, track, media, from);
  };
  return previewInSteps(
    { make: () => excerptOf(usual), need: needRange(file, usual.from, usual.to), end: usual.to },
    { make: () => excerptOf(latest), need: needRange(file, latest.from, latest.to), end: latest.to },
  );
}

function previewFragments(file: ReceivedFile, track: Track, from: number): PreviewStep {
  const stepFor = (seconds: number) => {
    const found = findFragmentsEnd(file, track, from, seconds);
    const make = () => ("end" in found ? file.prefix.subarray(0, found.end) : null);
    return "end" in found ? { make, need: null, end: found.end } : { make, need: found.need, end: null };
  };
  return previewInSteps(stepFor(usualSeconds), stepFor(clipSeconds));
}

/** Plan of the ISO base media file format: MP4, QuickTime, 3GP, M4A. */
export const isobmffPlan: ReadPlan = { facts: planFacts, preview: planPreview };

const isThreeGpp: Test = (head) => /^3g[2egprst]/.test(brandsIn(head)[0] ?? ""); // 3GPP TS 26.244, 5.4

/** Whether the tracks are beyond the head. */
const hasTracksBeyond: Test = (head) => tracksIn(head).hasVideo === null;

export const threeGppAudio = {
  type: "audio/3gpp",
  kind: "audio",
  matches: (head) => isThreeGpp(head) && isMp4Audio(head),
  aliases: ["audio/3gpp2", "audio/3gp", "audio/mp4", "video/3gpp", "video/3gpp2", "video/3gp", "video/mp4"],
  plan: isobmffPlan,
  decoding: audio,
} as const satisfies Row;

export const m4a = {
  type: "audio/mp4",
  kind: "audio",
  matches: isMp4Audio,
  aliases: ["audio/x-m4a", "audio/m4a", "audio/x-m4b", "audio/aac", "audio/x-hx-aac-adts", "video/mp4"],
  plan: isobmffPlan,
  decoding: audio,
} as const satisfies Row;

export const threeGpp = {
  type: "video/3gpp",
  kind: "video",
  matches: isThreeGpp,
  isUndecided: hasTracksBeyond,
  aliases: ["video/3gpp2", "video/3gp", "video/mp4"],
  refinedBy: /^audio\/(?:3gpp2?|mp4)$/,
  plan: isobmffPlan,
  decoding: video,
} as const satisfies Row;

export const mp4 = {
  type: "video/mp4",
  kind: "video",
  matches: (head) => brandsIn(head).length > 0 && tracksIn(head).hasVideo === true, // ISO/IEC 14496-14
  aliases: ["application/mp4", "video/x-m4v", "video/m4v"],
  plan: isobmffPlan,
  decoding: video,
} as const satisfies Row;

/** The tracks are beyond the head: most such files are videos. */
export const isobmff = {
  type: "video/mp4",
  kind: "video",
  matches: (head) => brandsIn(head).length > 0 || firstBox(head) === "styp", // ISO/IEC 14496-12, 4.3 and 8.16.2
  isUndecided: (head) => brandsIn(head).length > 0 && hasTracksBeyond(head),
  aliases: ["application/mp4", "video/x-m4v", "video/m4v"],
  refinedBy: /^(?:audio\/(?:mp4|x-m4a|m4a|aac)|video\/iso\.segment|image\/x-canon-cr3|application\/.*)$/,
  plan: isobmffPlan,
  decoding: video,
} as const satisfies Row;
