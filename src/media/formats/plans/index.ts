import type { Format } from "../index.ts";
import type { ReadPlan } from "../plan.ts";
import { picturePlans } from "./pictures.ts";
import { createWholePlan } from "./whole.ts";

const wholePlan = createWholePlan({});
const plans: Readonly<Partial<Record<string, ReadPlan>>> = picturePlans;

/** Of a format without metadata besides its type. */
const noPlan: ReadPlan = {
  facts: () => ({ known: {}, measurable: null, need: null }),
  preview: () => ({ excerpt: null, need: null }),
};

/** Returns the read plan of a format. */
export function planOf({ name, decoding }: Format): ReadPlan {
  return plans[name] ?? (decoding ? wholePlan : noPlan);
}
