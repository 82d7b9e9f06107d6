import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const text = readFileSync(join(root, "SECURITY.md"), "utf8");

/** Returns the rows of the table below a heading, without its head; cells trimmed. */
function rowsBelow(heading: string, table = 0): string[][] {
  const tables = text
    .split(heading)[1]!
    .split(/\n## /)[0]!
    .match(/(?:^\|.*\n)+/gm)!;
  const [, , ...rows] = tables[table]!.trim().split("\n");
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}

test("every test file that SECURITY.md names exists", () => {
  const missing = text.split("\n").flatMap((line) => {
    let folder = "";
    return [...line.matchAll(/`([\w/.-]+\.test\.ts)`/g)].flatMap(([, name]) => {
      // A name without a folder is in the folder of the previous one.
      const path = name!.includes("/") ? name! : join(folder, name!);
      folder = dirname(path);
      return existsSync(join(root, path)) ? [] : [path];
    });
  });
  expect(missing).toEqual([]);
});

test("every cell of SECURITY.md's matrix of actors and resources names a bound that has a test", () => {
  const bounds = new Map(rowsBelow("## Bounds of every", 1).map(([name, , shownBy]) => [name, shownBy]));
  const cells = rowsBelow("## Bounds of every").flatMap(([, ...cells]) => cells);
  expect(cells).toHaveLength(12 * 8);
  const unknown = cells.filter((cell) => !cell.split(" ").every((name) => bounds.get(name)?.includes(".test.ts")));
  expect(unknown).toEqual([]);
});
