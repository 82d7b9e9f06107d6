import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { makeSbom } from "../../scripts/sbom.ts";
import { pathOf, read } from "../support/deploy.ts";

interface Package {
  readonly name: string;
  readonly version: string;
  readonly homepage: string;
  readonly bugs: string;
  readonly repository: { readonly url: string; readonly directory?: string };
  readonly keywords: readonly string[];
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

const readPackage = (file: string) => JSON.parse(read(file)) as Package;
const main = readPackage("package.json");

const clients = ["clients/javascript", "clients/converse-media-metadata"];

test("every URL of the repository begins with the home page in package.json", () => {
  const rules = parse(read("deploy/observability/alerts.yml")) as {
    groups: { rules: { alert: string; annotations: { runbook_url: string } }[] }[];
  };
  for (const { alert, annotations } of rules.groups.flatMap((group) => group.rules)) {
    expect(annotations.runbook_url).toBe(`${main.homepage}/blob/main/docs/metrics.md#${alert.toLowerCase()}`);
  }
  expect(read("Dockerfile")).toContain(`org.opencontainers.image.source="${main.homepage}"`);
  for (const module of ["mod_muc_media_metadata", "mod_media_metadata"]) {
    expect(read(`prosody/${module}/${module}-scm-1.rockspec`)).toContain(`url = "git+${main.homepage}.git"`);
  }
  for (const [folder, one] of [["", main] as const, ...clients.map((folder) => [folder, packageOf(folder)] as const)]) {
    expect([one.homepage, one.bugs]).toEqual([main.homepage, `${main.homepage}/issues`]);
    expect(one.repository).toMatchObject({ type: "git", url: `git+${main.homepage}.git` });
    expect(one.repository.directory ?? "").toBe(folder);
    expect(one.keywords).toContain("xmpp");
  }
});

function packageOf(folder: string): Package {
  return readPackage(`${folder}/package.json`);
}

test("all files of the repository have the version in package.json", () => {
  for (const folder of clients) expect(packageOf(folder).version).toBe(main.version);
  expect(JSON.parse(read("package-lock.json"))).toMatchObject({ version: main.version });
  expect(parse(read("openapi.yaml"))).toMatchObject({ info: { version: main.version } });
  expect(parse(read("deploy/k8s/kustomization.yaml"))).toMatchObject({ images: [{ newTag: main.version }] });
  expect(read("CHANGELOG.md")).toContain(`\n## Unreleased\n\n## ${main.version.split("-")[0]!}\n`);
});

test("every path that AGENTS.md names exists, and so does every npm script", () => {
  const text = read("AGENTS.md");
  expect(text.split("\n").length - 1).toBeLessThanOrEqual(80);
  const quoted = Array.from(text.matchAll(/`([^`\n]+)`/g), ([, word]) => word!);
  const links = Array.from(text.matchAll(/\]\(([^)#]+)/g), ([, target]) => target!);
  const paths = [...quoted.filter((word) => /^[\w.-]+(\/[\w.-]*)+$|^[\w-]+\.(ts|md|yaml)$/.test(word)), ...links];
  expect(paths.length).toBeGreaterThan(30);
  expect(paths.filter((path) => !existsSync(pathOf(path)))).toEqual([]);
  const scripts = Array.from(text.matchAll(/npm (?:run )?([\w:]+)/g), ([, name]) => name!);
  const known = [...Object.keys(main.scripts), "ci", "packages"];
  expect(scripts.filter((name) => !known.includes(name))).toEqual([]);
});

test("the SBOM of a release lists every dependency of the program, and nothing else", () => {
  const { components } = JSON.parse(makeSbom()) as { components: { name: string; version: string }[] };
  const listed = components.map(({ name, version }) => `${name}@${version}`);
  const direct = Object.entries(main.dependencies).map(([name, version]) => `${name}@${version}`);
  expect(listed).toEqual(expect.arrayContaining(direct));
  // All packages that `npm ci --omit=dev` installs; links are of development dependencies.
  const { packages } = JSON.parse(read("package-lock.json")) as {
    packages: Record<string, { dev?: boolean; link?: boolean; version: string }>;
  };
  const locked = Object.entries(packages)
    .filter(([path, { dev, link }]) => path.startsWith("node_modules/") && !dev && !link)
    .map(([path, { version }]) => `${path.replace(/.*node_modules\//, "")}@${version}`);
  expect([...new Set(listed)].toSorted()).toEqual([...new Set(locked)].toSorted());
});

test("the runtime image has no package manager of Node, and runs as a numeric user", () => {
  const [, base = ""] = readFileSync(pathOf("Dockerfile"), "utf8").split(" AS base\n");
  for (const path of ["/usr/local/lib/node_modules", "/usr/local/bin/npm", "/usr/local/bin/npx", "/opt/yarn-*"]) {
    expect(base).toMatch(new RegExp(`rm -rf [^&]*${path.replace("*", "\\*")}`));
  }
  expect(base).not.toMatch(/\bnpm (ci|install|run)\b/);
  expect(base).toMatch(/^USER 1000:1000$/m);
});
