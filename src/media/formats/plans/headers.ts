import { apePlan } from "../monkeys-audio.ts";
import { asfAudioPlan, asfVideoPlan } from "../asf.ts";
import { auPlan } from "../au.ts";
import { cafPlan } from "../caf.ts";
import { flvPlan } from "../flv.ts";
import { mpegPlan } from "../mpeg-ps.ts";
import { mpegTsPlan } from "../mpeg-ts.ts";
import { musepackPlan } from "../musepack.ts";
import type { ReadPlan } from "../plan.ts";
import { ttaPlan } from "../tta.ts";
import { wavpackPlan } from "../wavpack.ts";
import { wholePlan } from "./track-bytes.ts";

/** The read plans of audio and video with their facts in a header, by the name of the format. */
export const headerPlans = {
  flv: flvPlan,
  "asf-video": asfVideoPlan,
  "asf-audio": asfAudioPlan,
  asf: asfVideoPlan,
  "mpeg-ts": mpegTsPlan,
  "mpeg-ps": mpegPlan,
  "mpeg1-ps": mpegPlan,
  "mpeg-video": mpegPlan,
  caf: cafPlan,
  au: auPlan,
  wavpack: wavpackPlan,
  ape: apePlan,
  musepack: musepackPlan,
  tta: ttaPlan,
  ac3: wholePlan,
  eac3: wholePlan,
} as const satisfies Readonly<Record<string, ReadPlan>>;
