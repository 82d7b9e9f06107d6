import fc from "fast-check";
import { expect, test } from "vitest";
import { isPublicAddress } from "../../src/fetch/address.ts";
import { isPublicToOthers } from "../support/second-opinion.ts";
import { addresses, isNeverWeaker, spellings } from "../support/spellings.ts";

const numRuns = 200_000;

test("the SSRF guard considers none of 200,000 addresses public that ipaddr.js or BlockList does not", () => {
  let found = 0;
  fc.assert(
    fc.property(addresses, (address) => {
      const isPublic = isPublicAddress(address);
      if (isPublic) found += 1;
      return !isPublic || isPublicToOthers(address);
    }),
    { numRuns },
  );
  expect(found).toBeGreaterThan(numRuns / 10);
});

test("the SSRF guard is never weaker than other parsers for 200,000 URLs with addresses in every notation", () => {
  fc.assert(fc.property(spellings, isNeverWeaker), { numRuns });
});
