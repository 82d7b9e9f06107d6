import { describe, expect, test } from "vitest";
import { talk } from "../../../bench/support/crowd.ts";
import { hasProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";

describe.skipIf(requires("Prosody", hasProsody()))("a full room", () => {
  test("a full room loses, duplicates and reorders no message during oracle failures and module reloads", async ({
    onTestFinished,
  }) => {
    const figures = await talk(onTestFinished, { occupants: 30, speakers: 10, messagesPerSecond: 20, phaseMs: 1500 });
    expect(figures).toMatchObject({ messages: 150, lost: 0, doubled: 0, misplaced: 0, errors: [] });
    const [without, well, slow, down] = figures.phases;
    expect(without!.annotated).toBe(0);
    expect(well!.annotated).toBe(well!.withMedia);
    expect(slow!.annotated).toBeGreaterThan(0);
    expect(down!.annotated).toBe(0);
  });
});
