import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { notPublicV4, notPublicV6 } from "../../../src/fetch/address.ts";
import { expectSettings, pathOf, read } from "../../support/deploy.ts";
import { requires } from "../../support/require.ts";

const unit = read("deploy/systemd/media-oracle.service");

/** Returns all values of a key in the unit, from one line or several. */
function valuesOf(key: string): string[] {
  return unit
    .split("\n")
    .filter((line) => line.startsWith(`${key}=`))
    .flatMap((line) => line.slice(key.length + 1).split(" "));
}

test("the settings in the systemd unit are valid", () => {
  const variables = valuesOf("Environment").map((variable) => variable.split("=", 2) as [string, string]);
  expectSettings(Object.fromEntries(variables));
});

test("the systemd unit denies exactly the addresses that the SSRF guard does not consider public, except loopback", () => {
  // For IPv6 also everything outside 2000::/3.
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
        // systemd-analyze checks that the program in ExecStart exists.
        const runnable = unit.replace("/usr/bin/node /opt/media-oracle", `${process.execPath} ${pathOf(".")}`);
        writeFileSync(join(folder, "media-oracle.service"), runnable);
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

    test("systemd accepts every line of the unit", () => {
      expect(analyze("verify")).toEqual({ status: 0, output: "" });
    });

    test("systemd-analyze rates the exposure of the unit below 2 of 10", () => {
      const { status, output } = analyze("security", "--offline=true", "--threshold=19", "--no-pager");
      expect(output).toMatch(/Overall exposure level/);
      expect(status).toBe(0);
    });
  },
);
