import type { ReadPlan } from "../plan.ts";
import { aacPlan } from "./aac.ts";
import { aiffPlan } from "./aiff.ts";
import { aviPlan } from "./avi.ts";
import { flacPlan } from "./flac.ts";
import { isobmffPlan } from "./isobmff.ts";
import { matroskaPlan } from "./matroska.ts";
import { mp3Plan } from "./mp3.ts";
import { oggPlan } from "./ogg.ts";
import { wholePlan } from "./track-bytes.ts";
import { wavPlan } from "./wav.ts";

/** The read plans of audio and video, by the name of the format. */
export const trackPlans = {
  m4a: isobmffPlan,
  mov: isobmffPlan,
  "3gp": isobmffPlan,
  mp4: isobmffPlan,
  isobmff: isobmffPlan,
  avi: aviPlan,
  "webm-audio": matroskaPlan,
  webm: matroskaPlan,
  "matroska-audio": matroskaPlan,
  matroska: matroskaPlan,
  "ogg-video": oggPlan,
  "ogg-audio": oggPlan,
  ogg: oggPlan,
  flac: flacPlan,
  wav: wavPlan,
  aiff: aiffPlan,
  amr: wholePlan,
  aac: aacPlan,
  mp3: mp3Plan,
} as const satisfies Readonly<Record<string, ReadPlan>>;
