import { afterAll, beforeAll, expect, test } from "vitest";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { sniff } from "../../../src/media/formats/sniff.ts";
import { startDecoder } from "../../support/decoder.ts";
import { faultBytes, faultRows, faults } from "../../support/faults.ts";
import { followFacts } from "../../support/read-plan.ts";
import { describeWith } from "../../support/require.ts";

let decoder: Decoder;
let end = () => Promise.resolve();
beforeAll(async () => {
  decoder = await startDecoder((close) => (end = close));
});
afterAll(() => end());

// A frame of MP3 has 26 ms.
const toleranceMs = 30;

describeWith(faults, "an audio or video file", () => {
  const rows = faultRows().filter(({ expected }) => expected.durationMs !== undefined);

  test.each(rows)("$file has its dimensions and duration, early and late", async (row) => {
    const { width, height, durationMs } = row.expected;
    const body = faultBytes(row);
    const format = sniff(body)!;
    const late = await decoder.describe(body, format);
    expect(Math.abs(late.durationMs! - durationMs!)).toBeLessThanOrEqual(toleranceMs);
    expect(late).toMatchObject({ ...(width && { width, height }), warning: null });
    const { known } = followFacts(format.plan, body).steps.at(-1)!;
    expect({ ...late, ...known }).toEqual(late);
  });
});
