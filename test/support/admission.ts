import type { Admission, AdmittedLookup } from "../../src/load/admission.ts";
import type { DecodePermit } from "../../src/load/decode-queue.ts";
import { unmeasured } from "./fetch.ts";

const nothing = (): undefined => undefined;
const permit: DecodePermit = { arrived: nothing, [Symbol.dispose]: nothing };

/** Admits every lookup and every body at once, unless the test replaces a step. */
export function openAdmission({
  shedLoad = nothing,
  enterDecodeQueue = () => Promise.resolve(permit),
}: Partial<Pick<Admission, "shedLoad"> & Pick<AdmittedLookup, "enterDecodeQueue">> = {}): Admission {
  return {
    shedLoad,
    admit: (_target, signal) =>
      Promise.resolve({
        transfer: unmeasured(signal),
        enterDecodeQueue,
        releaseSlot: nothing,
        [Symbol.dispose]: nothing,
      }),
  };
}
