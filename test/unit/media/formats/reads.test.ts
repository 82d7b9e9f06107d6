import { describe, expect, test } from "vitest";
import { sniff } from "../../../../src/media/formats/sniff.ts";
import { byteFiles } from "../../../support/byte-files.ts";
import { arrivalOf } from "../../../support/read-plans.ts";

const smallBytes = 1500;

/** All lengths of a small file; of others all short ones, some of the longer ones, and those before the end. */
function cutsOf({ length }: Uint8Array): number[] {
  const all = Array.from({ length: length <= smallBytes ? length + 1 : 100 }, (_, bytes) => bytes);
  const some = Array.from({ length: 50 }, (_, index) => Math.floor((length * index) / 50));
  const last = Array.from({ length: 10 }, (_, index) => length - index);
  return [...new Set([...all, ...some, ...last])].filter((cut) => cut >= 0).sort((one, other) => one - other);
}

describe.each(Object.entries(byteFiles))("%s", (name, file) => {
  const format = sniff(file)!;
  const cuts = cutsOf(file);

  // To wait for its end would delay the size of every PNG.
  const isExcepted = name === "a PNG that is turned behind its pixels";
  test("has no fact that changes with more bytes", () => {
    for (const isLengthKnown of isExcepted ? [] : [true, false]) {
      let known = {};
      for (const cut of cuts) {
        const step = format.plan.facts(arrivalOf(file, cut, { isLengthKnown }));
        expect({ cut, ...step.known }).toMatchObject({ cut, ...known });
        ({ known } = step);
      }
    }
  });
});
