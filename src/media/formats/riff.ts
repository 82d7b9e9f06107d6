import { type Test, all, at } from "./bytes.ts";

/** A RIFF file of this form: four letters after the length (Microsoft, Multimedia Programming Interface 1.0). */
export function riff(form: string): Test {
  return all(at(0, "RIFF"), at(8, form));
}
