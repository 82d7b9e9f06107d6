import { expect, test } from "vitest";
import { hasCorpus } from "../support/corpus.ts";
import { findFaults } from "../support/mutation-fuzz.ts";

test.skipIf(!hasCorpus)(
  "no header parser throws, takes long or returns a value out of range for 20,000 mutated files (needs the corpus)",
  async () => {
    expect(await findFaults(20_000)).toEqual([]);
  },
);
