import type { Format } from "../index.ts";
import type { ReadPlan } from "../plan.ts";
import { wholePlan } from "./default.ts";

/** Returns the read plan of a format. */
export function planOf(format: Format): ReadPlan {
  return wholePlan(format);
}
