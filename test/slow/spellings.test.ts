import fc from "fast-check";
import { expect, test } from "vitest";
import { isPublicAddress } from "../../src/fetch/address.ts";
import { isPublicToOthers } from "../support/second-opinion.ts";
import { addresses, isNeverWeaker, spellings } from "../support/spellings.ts";

const numRuns = 200_000;

test("200,000 addresses: none is public to the guard that is not to ipaddr.js and BlockList", () => {
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

test("200,000 URLs of addresses in every spelling: the guard is never weaker than the others", () => {
  fc.assert(fc.property(spellings, isNeverWeaker), { numRuns });
});
