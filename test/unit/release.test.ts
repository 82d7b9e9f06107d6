import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { findReleaseFaults, releaseTagsOf } from "../../scripts/release.ts";

test("the newest release of all moves the image tags of its line and latest", () => {
  const tags = ["v1.2.3", "v1.2.2", "v1.10.0", "v0.9.0", "notes"];
  const expected = { version: "1.10.0", line: "1.10", latest: true, prerelease: false };
  expect(releaseTagsOf("v1.10.0", tags)).toEqual(expected);
  expect(releaseTagsOf("v0.1.0", ["v0.1.0"])).toMatchObject({ line: "0.1", latest: true });
});

test("a patch of an older line moves the image tag of its line, and not latest", () => {
  const expected = { version: "1.1.10", line: "1.1", latest: false, prerelease: false };
  expect(releaseTagsOf("v1.1.10", ["v1.1.9", "v1.1.10", "v1.2.0"])).toEqual(expected);
});

test("a patch that is older than another one of its line moves neither the image tag of the line nor latest", () => {
  expect(releaseTagsOf("v1.1.9", ["v1.1.9", "v1.1.10"])).toMatchObject({ line: "", latest: false });
});

test("a pre-release moves no image tag of another release, and does not keep a release from moving latest", () => {
  const expected = { version: "1.2.3-rc.1", line: "", latest: false, prerelease: true };
  expect(releaseTagsOf("v1.2.3-rc.1", ["v1.2.3-rc.1"])).toEqual(expected);
  expect(releaseTagsOf("v1.2.2", ["v1.2.2", "v1.2.3-rc.1"])).toMatchObject({ line: "1.2", latest: true });
});

test.each(["1.2.3", "v1.2", "v1.2.3 ", "v1.2.3;id", "v01.2.x", ""])("the tag %j is not a release", (tag) => {
  expect(() => releaseTagsOf(tag, [])).toThrow("is no version");
});

test("a release is refused if a package or CHANGELOG has another version, or package.json the placeholder", ({
  onTestFinished,
}) => {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-release-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  };
  const home = (host: string) => `https://${host}/OWNER/media-oracle`;
  write("package.json", JSON.stringify({ version: "1.2.3", homepage: home("github.invalid") }));
  write("clients/javascript/package.json", JSON.stringify({ version: "1.2.2" }));
  write("clients/converse-media-metadata/package.json", JSON.stringify({ version: "1.2.3" }));
  write("CHANGELOG.md", "# Changelog\n\n## 1.2.30\n");
  expect(findReleaseFaults(folder, "1.2.3")).toEqual([
    "clients/javascript/package.json has version 1.2.2, and the tag has 1.2.3",
    expect.stringContaining("placeholder"),
    "CHANGELOG.md has no section 1.2.3",
  ]);

  write("package.json", JSON.stringify({ version: "1.2.3", homepage: home("example.org") }));
  write("clients/javascript/package.json", JSON.stringify({ version: "1.2.3" }));
  write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n## 1.2.3\n");
  expect(findReleaseFaults(folder, "1.2.3")).toEqual([]);
});
