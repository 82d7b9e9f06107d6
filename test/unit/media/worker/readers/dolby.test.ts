import { expect, test } from "vitest";
import { reader } from "../../../../../src/media/worker/readers/dolby.ts";
import { ac3Frames, eac3Frames } from "../../../../support/stream-heads.ts";

const measure = (body: Uint8Array, isWhole = true) => reader.measure!(body, isWhole);

// ATSC A/52: a frame has 1536 samples, 32 ms at 48 kHz.
test.each([
  ["AC-3", ac3Frames(50)],
  ["E-AC-3 with frames of more channels", eac3Frames(50)],
  ["AC-3 before other bytes", Buffer.concat([ac3Frames(50), Buffer.alloc(3000, 1), ac3Frames(9)])],
])("50 frames of %s last 1.6 s", async (_, body) => {
  expect(await measure(body)).toEqual({ width: null, height: null, animated: null, durationMs: 1600 });
});

test("the first bytes of AC-3 have no duration", async () => {
  expect(await measure(ac3Frames(2), false)).toMatchObject({ durationMs: null });
});

test("AC-3 without a frame is rejected", async () => {
  await expect(measure(Buffer.alloc(100))).rejects.toThrow("no frames");
});

test("AC-3 has no picture", async () => {
  expect(await reader.show(ac3Frames(1))).toBeNull();
});
