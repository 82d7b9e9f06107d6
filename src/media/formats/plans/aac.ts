import type { ReadPlan } from "../plan.ts";
import { previewTags } from "./id3.ts";
import { wholeFacts } from "./received.ts";

/** Plan of ADTS: each frame tells its own length only, so that the duration is in all of them. */
export const aacPlan: ReadPlan = { facts: wholeFacts, preview: previewTags };
