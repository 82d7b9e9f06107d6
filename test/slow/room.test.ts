import { describe, expect, test } from "vitest";
import { talk } from "../../bench/support/crowd.ts";
import { hasProsody } from "../support/prosody.ts";
import { requires } from "../support/require.ts";

const megabyte = 1_000_000;

describe.skipIf(requires("Prosody", hasProsody()))(
  "a room of 200, 50 messages a second, every third with a URL",
  () => {
    test("a room of 200 loses, duplicates and reorders no message for five minutes, and Prosody's memory stays flat", async ({
      onTestFinished,
    }) => {
      const figures = await talk(onTestFinished, {
        occupants: 200,
        speakers: 20,
        messagesPerSecond: 50,
        phaseMs: 60_000,
      });
      expect(figures).toMatchObject({ messages: 15_000, lost: 0, doubled: 0, misplaced: 0, errors: [] });
      const memory = figures.phases.map(({ memoryBytes }) => memoryBytes / megabyte);
      const [without, ...others] = memory;
      expect(Math.max(...others), String(memory)).toBeLessThan(without! + 64); // the maximum for queued messages: 64 lookups and the messages behind them
      // Memory that Lua holds after a garbage collection; the resident set is the peak, which depends on the machine.
      const held = figures.phases.map(({ heldBytes }) => heldBytes / megabyte);
      expect(Math.max(...held), String(held)).toBeLessThan(held[0]! + 8);
    }, 1_200_000);
  },
);
