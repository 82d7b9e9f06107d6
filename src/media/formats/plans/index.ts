import type { Format, MeasuredName } from "../index.ts";
import type { ReadPlan } from "../plan.ts";
import { headerPlans } from "./headers.ts";
import { picturePlans } from "./pictures.ts";
import { trackPlans } from "./tracks.ts";

const plans: Readonly<Record<MeasuredName, ReadPlan>> = { ...picturePlans, ...trackPlans, ...headerPlans };

/** Of a format without metadata besides its type. */
const noPlan: ReadPlan = {
  facts: () => ({ known: {}, measurable: null, need: null }),
  preview: () => ({ excerpt: null, need: null }),
};

/** Returns the read plan of a format. */
export function planOf({ name }: Format): ReadPlan {
  return name in plans ? plans[name as MeasuredName] : noPlan;
}
