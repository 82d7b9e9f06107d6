import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isPublicToOthers } from "../../support/second-opinion.ts";
import { addresses, isNeverWeaker, passes, spellings, urlOf } from "../../support/spellings.ts";

// `npm run test:slow` runs ten times as many.
const numRuns = 20_000;

describe("addresses as hosts of URLs", () => {
  test("in any spelling, only addresses pass that ipaddr.js, BlockList and the WHATWG parser all call public", () => {
    fc.assert(fc.property(spellings, isNeverWeaker), { numRuns });
  });

  test("a public address in plain spelling passes the SSRF guard", () => {
    fc.assert(
      fc.property(addresses, (address) => {
        // ISATAP, which only the guard recognizes.
        const isSpecial = !isPublicToOthers(address) || address.includes("5efe");
        return isSpecial || passes(urlOf(address)) !== null;
      }),
      { numRuns },
    );
  });

  test("the generated spellings are read as addresses by parsers", () => {
    const some = fc.sample(spellings, { numRuns: 2000, seed: 1 });
    const readByWhatwg = some.filter(({ url }) => URL.canParse(url)).length;
    const passed = some.filter(({ url }) => passes(url) !== null).length;
    expect(readByWhatwg).toBeGreaterThan(800);
    expect(passed).toBeGreaterThan(40);
    expect(passed).toBeLessThan(readByWhatwg);
  });
});
