import { describe, expect, test } from "vitest";
import { isSide } from "../../../../src/domain/size.ts";
import type { FactsStep, PreviewStep, ReadPlan } from "../../../../src/media/formats/plan.ts";
import { corpus } from "../../../support/corpus.ts";
import { cpuMs } from "../../../support/cpu.ts";
import { mutantOf, randomIntegers, seedFiles } from "../../../support/mutations.ts";
import { heicWithThumbnail, planFiles } from "../../../support/plan-files.ts";
import { pictureNames, planNamed } from "../../../support/plans.ts";
import { arrivalOf, follow } from "../../../support/read-plans.ts";
import { worstCases } from "../../../support/worst-cases.ts";
import { requires } from "../../../support/require.ts";

const plans = pictureNames.map((name) => [name, planNamed(name)] as const);

// An excerpt adds a header, a trailer or a frame to bytes of the file.
const maxAddedBytes = 256;

function faultOf({ plan, bytes, cut }: { plan: ReadPlan; bytes: Uint8Array; cut: number }): string | null {
  const isRight = (step: FactsStep | PreviewStep) => {
    if ("excerpt" in step) return !step.excerpt || step.excerpt.bytes.length <= bytes.length + maxAddedBytes;
    const { width, height } = step.known;
    return (width === undefined) === (height === undefined) && [width ?? 1, height ?? 1].every(isSide);
  };
  try {
    const steps = [plan.facts, plan.preview].flatMap((read: ReadPlan["facts"] | ReadPlan["preview"]) =>
      follow<FactsStep | PreviewStep>(read, bytes, arrivalOf(bytes, cut)),
    );
    const wrong = steps.find(({ step }) => !isRight(step));
    return wrong ? JSON.stringify(wrong.step).slice(0, 200) : null;
  } catch (error) {
    return String(error);
  }
}

/** Runs all plans over mutants of files, from a random cut; returns a line for each fault, with the number of its mutant. */
function findFaults(files: Parameters<typeof mutantOf>[0], mutants: number): string[] {
  const faults: string[] = [];
  for (let number = 0; number < mutants; number += 1) {
    const { name, bytes } = mutantOf(files, number);
    const cut = randomIntegers(number)(bytes.length + 1);
    for (const [format, plan] of plans) {
      const fault = faultOf({ plan, bytes, cut });
      if (fault !== null) faults.push(`${format}, ${name}: ${fault}`);
    }
  }
  return faults;
}

describe("no plan throws, has no end, needs bytes twice, or returns a value out of range", () => {
  test("for 2,000 mutants of made files", { timeout: 60_000 }, async () => {
    const files = Object.entries(planFiles).map(async ([name, [, make]]) => ({ name, bytes: await make() }));
    const heics = [true, false].map((isDataFirst) => ({ name: "heic", bytes: heicWithThumbnail({ isDataFirst }) }));
    expect(findFaults([...(await Promise.all(files)), ...heics], 2000)).toEqual([]);
  });

  test.skipIf(requires(corpus.name, corpus.isPresent))("for 1,000 mutants of real files", { timeout: 60_000 }, () => {
    expect(findFaults(seedFiles(), 1000)).toEqual([]);
  });
});

// The plans run in the service's own process: each millisecond blocks the event loop for all callers.
const maxCallMs = 20;

test.each(plans)("a call of the %s plan takes less than 20 ms for the worst files of 256 KiB", (name, plan) => {
  for (const [what, body] of Object.entries(worstCases[name](256 * 1024))) {
    const arrival = { ...arrivalOf(body, body.length), length: null };
    for (const read of [plan.facts, plan.preview])
      expect
        .soft(
          cpuMs(() => read(arrival)),
          what,
        )
        .toBeLessThan(maxCallMs);
  }
});

test.each([
  ["jpeg", "markers of nothing in a scan", "\xff\xd8\xff\xda\0\x02", "\xff\0"],
  ["jpeg", "fill bytes", "\xff\xd8\xff\xda\0\x02", "\xff"],
  ["jpeg", "scans", "\xff\xd8", "\xff\xda\0\x02"],
  ["gif", "sub-blocks of a byte", "GIF89a\x09\0\x09\0\0\0\0!\xfe", "\x01\x01"],
  ["gif", "empty extensions", "GIF89a\x09\0\x09\0\0\0\0", "!\xfe\0"],
  ["webp", "empty chunks", "RIFF\xff\xff\xff\xffWEBP", "abcd\0\0\0\0"],
  ["apng", "empty image chunks", "\x89PNG\r\n\x1a\n\0\0\0\x08acTL\0\0\0\x02\0\0\0\0\0\0\0\0", "\0\0\0\0IDAT\0\0\0\0"],
  ["avif", "empty boxes", "\0\0\0\x10ftypavif\0\0\0\0", "\0\0\0\x08free"],
] as const)("a call of the %s plan takes less than 150 ms for 64 MB of %s", (name, _, start, unit) => {
  const head = Buffer.from(start, "latin1");
  const body = Buffer.concat([head, Buffer.alloc(64_000_000, unit, "latin1")]);
  const arrival = { ...arrivalOf(body, body.length), length: null };
  for (const read of [planNamed(name).facts, planNamed(name).preview])
    expect(cpuMs(() => read(arrival), 3)).toBeLessThan(150); // mostly less than 10; 32 MB of a scan 50
});
