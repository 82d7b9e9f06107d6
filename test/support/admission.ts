import type { Admission } from "../../src/load/admission.ts";
import type { DecodePermit } from "../../src/load/decode-queue.ts";
import { unmeasured } from "./fetch.ts";
import { openSlots } from "./slots.ts";

/** A permit of the decode queue that was not waited for. */
export const decodePermit: DecodePermit = { arrived: () => undefined, [Symbol.dispose]: () => undefined };

/** Admission control that admits everything at once, unless the test replaces a part of it. */
export function openAdmission(parts: Partial<Admission> = {}): Admission {
  const slots = openSlots({ maxActive: 100_000 });
  return {
    admit: () => undefined,
    async takeFetchSlot(limits, signal) {
      const permit = await slots.take(limits, signal);
      const release = () => permit.release();
      return { transfer: unmeasured(signal), release, [Symbol.dispose]: release };
    },
    enterDecodeQueue: () => Promise.resolve(decodePermit),
    waiting: { fetch: 0, decode: 0, unpredictable: 0 },
    activeFetches: 0,
    ...parts,
  };
}
