import { expect, test } from "vitest";
import { applyMutant, mutateLua, mutateTypeScript } from "../../scripts/mutations.ts";

test("the mutants of a TypeScript file change operators, conditions, numbers and calls, but no types", () => {
  const text = `type Two = 2;\nif (a < 1) stop();\nconst b: true = !c ? d && e : f;\n`;
  expect(
    mutateTypeScript("a.ts", text).map((mutant) => applyMutant(text, mutant).split("\n")[mutant.line - 1]),
  ).toEqual([
    "if (false) stop();",
    "if (a <= 1) stop();",
    "if (a < (1 + 1)) stop();",
    "if (a < 1) ;",
    "const b: true = !(!c) ? d && e : f;",
    "const b: true = c ? d && e : f;",
    "const b: true = !c ? d || e : f;",
  ]);
});

test("the mutants of a Lua file change no comment and no text", () => {
  const text = `-- not 1 < 2\nif a == "not 1" and b < 2 then\n\tstop(a);\nend\n`;
  expect(mutateLua("a.lua", text).map((mutant) => applyMutant(text, mutant).split("\n")[mutant.line - 1])).toEqual([
    `if a ~= "not 1" and b < 2 then`,
    `if a == "not 1" and b <= 2 then`,
    `if a == "not 1" or b < 2 then`,
    `if a == "not 1" and b < (2 + 1) then`,
    "\t;",
  ]);
});
