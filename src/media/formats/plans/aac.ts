import type { ReadPlan } from "../plan.ts";
import { previewTags } from "./id3.ts";
import { wholeFacts } from "./track-bytes.ts";

/** Plan of ADTS: a frame has only its own length, so the duration takes all of them. */
export const aacPlan: ReadPlan = { facts: wholeFacts, preview: previewTags };
