import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isAllowed, noticesFile, noticesText, readDependencies } from "../../scripts/notices.ts";

test("every installed package has a licence that is compatible with the MIT licence", () => {
  const refused = readDependencies().filter((dependency) => !isAllowed(dependency));
  expect(refused.map(({ name, licence }) => `${name}: ${licence}`)).toEqual([]);
});

test.for([
  ["a-package", "GPL-3.0-only", false],
  ["a-package", "AGPL-3.0-or-later", false],
  ["a-package", "", false],
  ["a-package", "SEE LICENSE IN LICENSE", false],
  ["a-package", "MIT AND GPL-2.0-only", false],
  ["a-package", "(MIT OR GPL-2.0-only)", true],
  ["a-package", "LGPL-3.0", false],
  ["libheif-js", "LGPL-3.0", true],
  ["@img/sharp-libvips-linux-x64", "Apache-2.0 AND LGPL-3.0-or-later", true],
  ["@img/sharper", "LGPL-3.0-or-later", false],
] as const)("%s under %o is allowed: %s", ([name, licence, expected]) => {
  expect(isAllowed({ name, licence })).toBe(expected);
});

test("THIRD_PARTY_NOTICES matches the installed packages (else: npm run notices)", () => {
  expect(readFileSync(noticesFile, "utf8") === noticesText()).toBe(true);
});
