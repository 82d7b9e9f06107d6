import { expect, test } from "vitest";
import { hasCorpus } from "../../../support/corpus.ts";
import { findFaults } from "../../../support/mutation-fuzz.ts";

test.skipIf(!hasCorpus)(
  "no header parser throws, takes long or returns a value out of range for 2,000 mutated files (needs the corpus)",
  { timeout: 120_000 },
  async () => {
    expect(await findFaults(2000)).toEqual([]);
  },
);
