import { expect, test } from "vitest";
import { corpus } from "../../../support/corpus.ts";
import { findFaults } from "../../../support/mutation-fuzz.ts";
import { requires } from "../../../support/require.ts";

test.skipIf(requires(corpus.name, corpus.isPresent))(
  "no header parser throws, takes long or returns a value out of range for 2,000 mutated files",
  { timeout: 120_000 },
  async () => {
    expect(await findFaults(2000)).toEqual([]);
  },
);
