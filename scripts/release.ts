/**
 * Checks that a tag can be released, and prints the image tags that it moves, as outputs of a step of GitHub Actions.
 *
 * `node scripts/release.ts v1.2.3 >> "$GITHUB_OUTPUT"`, in a checkout with all tags. Node 24 runs it without dependencies,
 * so a wrong tag fails before anything is installed.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The packages of a checkout; all of them have the version of the release. */
const packageFiles = [
  "package.json",
  "clients/javascript/package.json",
  "clients/converse-media-metadata/package.json",
] as const;

export interface ReleaseTags {
  /** `1.2.3`, or `1.2.3-rc.1` of a pre-release. */
  readonly version: string;
  /** `1.2` if the release is the newest of its line; otherwise "", so that the image tag stays. */
  readonly line: string;
  /** Whether it is the newest release of all lines: moves the image tags `latest` and `full`. */
  readonly latest: boolean;
  readonly prerelease: boolean;
}

/**
 * Returns the image tags of a release.
 *
 * A pre-release moves no tag of another release, and neither does a patch of an old line (1.1.9 after 1.2.0) move `latest`.
 *
 * @param tag as in Git: `v1.2.3`
 * @param tags all tags of the repository; only those of releases count
 * @throws Error if the tag is no version
 */
export function releaseTagsOf(tag: string, tags: readonly string[]): ReleaseTags {
  const [, version, line, patch] = /^v((\d+\.\d+)(\.\d+)(?:-[\w.-]+)?)$/.exec(tag) ?? [];
  if (version === undefined || line === undefined) throw new Error(`the tag ${tag} is no version like v1.2.3`);
  if (version !== `${line}${patch ?? ""}`) return { version, line: "", latest: false, prerelease: true };
  const newer = tags
    .filter((other) => /^v\d+\.\d+\.\d+$/.test(other))
    .map((other) => other.slice(1))
    .filter((other) => other.localeCompare(version, "en", { numeric: true }) > 0);
  const isNewestOfLine = !newer.some((other) => other.startsWith(`${line}.`));
  return { version, line: isNewestOfLine ? line : "", latest: newer.length === 0, prerelease: false };
}

/**
 * Returns the reasons why a checkout must not be released under a version; empty if there are none.
 *
 * @param folder of the checkout
 */
export function findReleaseFaults(folder: string, version: string): string[] {
  const read = (file: string) => readFileSync(join(folder, file), "utf8");
  const packages = packageFiles.map((file) => {
    const { version: own, homepage } = JSON.parse(read(file)) as { version: string; homepage?: string };
    return { file, own, homepage };
  });
  const wrong = packages
    .filter(({ own }) => own !== version)
    .map(({ file, own }) => `${file} has version ${own}, and the tag has ${version}`);
  const { homepage = "" } = packages[0]!;
  const isReal = URL.canParse(homepage) && !new URL(homepage).hostname.endsWith(".invalid"); // RFC 2606
  if (!isReal) wrong.push("the home page in package.json is the placeholder: see CONTRIBUTING.md, Release");
  const [stable = version] = version.split("-");
  if (!read("CHANGELOG.md").split("\n").includes(`## ${stable}`)) wrong.push(`CHANGELOG.md has no section ${stable}`);
  return wrong;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = fileURLToPath(new URL("..", import.meta.url));
  const tags = execFileSync("git", ["tag", "--list"], { cwd: folder, encoding: "utf8" }).split("\n");
  const release = releaseTagsOf(process.argv[2] ?? "", tags);
  const faults = findReleaseFaults(folder, release.version);
  if (faults.length > 0) throw new Error(faults.join("\n"));
  for (const [name, value] of Object.entries(release)) console.log(`${name}=${String(value)}`);
}
