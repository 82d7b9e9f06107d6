import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { notPublicV4, notPublicV6 } from "../../../src/fetch/address.ts";
import { expectSettings, pathOf, read } from "../../support/deploy.ts";
import { requires } from "../../support/require.ts";

const unit = read("deploy/systemd/media-oracle.service");

/** What a line of the unit says, also where several do. */
function valuesOf(key: string): string[] {
  return unit
    .split("\n")
    .filter((line) => line.startsWith(`${key}=`))
    .flatMap((line) => line.slice(key.length + 1).split(" "));
}

test("the unit's settings can be used", () => {
  const variables = valuesOf("Environment").map((variable) => variable.split("=", 2) as [string, string]);
  expectSettings(Object.fromEntries(variables));
});

test("the unit refuses exactly what the guard does not call public, less this machine itself", () => {
  // Of IPv6 all that lies beside 2000::/3.
  const expected = [...notPublicV4, ...notPublicV6, "::/3", "4000::/2", "8000::/1"];
  expect(valuesOf("IPAddressDeny").toSorted()).toEqual(expected.toSorted());
  expect(valuesOf("IPAddressAllow")).toEqual(["localhost"]);
});

describe.skipIf(requires("systemd-analyze", spawnSync("systemd-analyze", ["--version"]).status === 0))(
  "systemd",
  () => {
    function analyze(...args: readonly string[]): { status: number | null; output: string } {
      const folder = mkdtempSync(join(tmpdir(), "media-oracle-unit-"));
      try {
        // What it would start must be there.
        const here = unit.replace("/usr/bin/node /opt/media-oracle", `${process.execPath} ${pathOf(".")}`);
        writeFileSync(join(folder, "media-oracle.service"), here);
        const { status, stdout, stderr } = spawnSync(
          "systemd-analyze",
          [...args, join(folder, "media-oracle.service")],
          {
            encoding: "utf8",
          },
        );
        return { status, output: stdout + stderr };
      } finally {
        rmSync(folder, { recursive: true });
      }
    }

    test("understands every line of the unit", () => {
      expect(analyze("verify")).toEqual({ status: 0, output: "" });
    });

    test("gives the unit's exposure less than 2 of 10", () => {
      const { status, output } = analyze("security", "--offline=true", "--threshold=19", "--no-pager");
      expect(output).toMatch(/Overall exposure level/);
      expect(status).toBe(0);
    });
  },
);
