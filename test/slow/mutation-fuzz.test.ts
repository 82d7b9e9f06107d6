import { expect, test } from "vitest";
import { corpus } from "../support/corpus.ts";
import { findFaults } from "../support/mutation-fuzz.ts";
import { requires } from "../support/require.ts";

test.skipIf(requires(corpus.name, corpus.isPresent))(
  "no header parser throws, takes long or returns a value out of range for 20,000 mutated files",
  async () => {
    expect(await findFaults(20_000)).toEqual([]);
  },
);
