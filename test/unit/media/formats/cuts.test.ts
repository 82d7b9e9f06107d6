import { beforeAll, describe, expect, test } from "vitest";
import type { Excerpt } from "../../../../src/media/formats/plan.ts";
import { ffmpeg } from "../../../support/decoder.ts";
import { mediaFiles } from "../../../support/media-files.ts";
import { heicWithThumbnail, planFiles } from "../../../support/plan-files.ts";
import { pictureNames, planNamed } from "../../../support/plans.ts";
import { arrivalOf, follow } from "../../../support/read-plans.ts";

const ofTable = pictureNames
  .filter((name) => ffmpeg !== null || !mediaFiles[name].needsFfmpeg)
  .map((name) => [`the ${name} of the table`, name, async () => Buffer.from(await mediaFiles[name].make())] as const);
const made = Object.entries(planFiles).map(([title, [name, make]]) => [title, name, make] as const);
const heics = [false, true].map(
  (isDataFirst) =>
    [
      `a HEIC whose data stands ${isDataFirst ? "before" : "behind"} its items`,
      "heic",
      () => Promise.resolve(heicWithThumbnail({ isDataFirst })),
    ] as const,
);

const accuracies = ["provisional", "close", "exact"];

/** Lengths of prefixes: all short ones, and some of each longer part. */
function cutsOf({ length }: Buffer): number[] {
  const short = Array.from({ length: Math.min(length, 100) }, (_, bytes) => bytes);
  const long = Array.from({ length: 60 }, (_, index) => Math.floor((length * index) / 60));
  return [...short, ...long, length - 1, length].filter((bytes) => bytes >= 0);
}

describe.each([...ofTable, ...made, ...heics])("%s", (_, name, make) => {
  const plan = planNamed(name);
  let file: Buffer;
  beforeAll(async () => {
    file = await make();
  });

  test.each([true, false])(
    "facts that are known at any cut stay, and more bytes lead to all facts of the whole file (declared length: %s)",
    (isLengthKnown) => {
      const whole = plan.facts(arrivalOf(file, file.length));
      expect(whole.need).toBeNull();
      for (const cut of cutsOf(file)) {
        const steps = follow(plan.facts, file, arrivalOf(file, cut, { isLengthKnown }));
        const last = steps.at(-1)!.step;
        for (const { step } of steps) expect(last.known).toMatchObject(step.known);
        expect(whole.known).toMatchObject(last.known);
        // What the plan does not know, a worker measures.
        if (Object.keys(last.known).length < Object.keys(whole.known).length) expect(last.measurable).not.toBeNull();
      }
    },
  );

  test.each([true, false])(
    "the excerpt is the same from any cut, and only becomes more accurate (declared length: %s)",
    (isLengthKnown) => {
      const found = new Map<Excerpt["accuracy"], Uint8Array>();
      const ends = new Set<Excerpt["accuracy"] | null>();
      for (const cut of cutsOf(file)) {
        const steps = follow(plan.preview, file, arrivalOf(file, cut, { isLengthKnown }));
        let accuracy = -1;
        for (const { excerpt } of steps.map(({ step }) => step)) {
          if (!excerpt) continue;
          expect(accuracies.indexOf(excerpt.accuracy)).toBeGreaterThanOrEqual(accuracy);
          accuracy = accuracies.indexOf(excerpt.accuracy);
          const earlier = found.get(excerpt.accuracy) ?? excerpt.bytes;
          expect(Buffer.compare(excerpt.bytes, earlier)).toBe(0);
          found.set(excerpt.accuracy, earlier);
        }
        ends.add(steps.at(-1)!.step.excerpt?.accuracy ?? null);
      }
      expect([...ends]).toEqual([mediaFiles[name].hash === "none" ? null : "exact"]);
    },
  );
});
