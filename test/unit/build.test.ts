import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { commitOf } from "../../scripts/build.ts";

test("the commit of a build is the checkout's, else the COMMIT variable, else empty", ({ onTestFinished }) => {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-commit-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  expect(commitOf(folder, {})).toBe("");
  expect(commitOf(folder, { COMMIT: "0123abc" })).toBe("0123abc");
  expect(() => commitOf(folder, { COMMIT: "main; rm" })).toThrow("no commit");

  const git = (...parameters: string[]) => {
    const who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"];
    const { status, stdout, stderr } = spawnSync("git", [...who, ...parameters], { cwd: folder, encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
    return stdout.trim();
  };
  mkdirSync(join(folder, "src"));
  writeFileSync(join(folder, "src/main.ts"), "");
  git("init", "--quiet");
  git("add", "src");
  git("commit", "--quiet", "--message", "all");
  expect(commitOf(folder, {})).toBe(git("rev-parse", "HEAD"));
  writeFileSync(join(folder, "notes"), "built into nothing");
  expect(commitOf(folder, {})).toBe(git("rev-parse", "HEAD"));
  writeFileSync(join(folder, "src/new.ts"), "");
  expect(commitOf(folder, {})).toBe("");
});
