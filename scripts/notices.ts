/** `npm run notices`: writes THIRD_PARTY_NOTICES, with the licences of all that the program is installed with. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

export const noticesFile = join(root, "THIRD_PARTY_NOTICES");

interface LockedPackage {
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
}

/** A package that the program needs to run, or that is built into its page. */
export interface Dependency {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression; empty where the package names none. */
  readonly licence: string;
  /** Null where it is for another platform, or may be. */
  readonly folder: string | null;
}

// What the build copies into the page; the program itself does not need them.
const builtIn = ["thumbhash", "@fastify/swagger-ui"];

export function readDependencies(): Dependency[] {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, LockedPackage>;
  };
  const found = Object.entries(packages).flatMap(([path, { version, license = "", dev, os, cpu }]): Dependency[] => {
    const name = path.replace(/^.*node_modules\//, "");
    if (path === "" || (dev && !builtIn.includes(name))) return [];
    const isForAll = !os && !cpu && existsSync(join(root, path));
    return [{ name, version, licence: license, folder: isForAll ? join(root, path) : null }];
  });
  const byName = new Map(found.map((dependency) => [`${dependency.name} ${dependency.version}`, dependency]));
  return [...byName.keys()].sort().map((key) => byName.get(key)!);
}

// They ask for their text to go along, and for no more.
const permissive = new Set([
  ...["MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "BlueOak-1.0.0", "Apache-2.0"],
  ...["Unlicense", "CC0-1.0", "Zlib"],
]);

// Weak copyleft: it stays with the library, which anybody may replace in node_modules. Each was looked at: as published, on its own.
const weak: Readonly<Record<string, readonly string[]>> = {
  "LGPL-3.0": ["libheif-js"],
  "LGPL-3.0-or-later": ["@img/sharp"],
  "MPL-2.0": ["mediabunny"],
};

/** Whether a package may go along with a program under the MIT licence. */
export function isAllowed({ name, licence }: Pick<Dependency, "name" | "licence">): boolean {
  const isFine = (one: string): boolean =>
    permissive.has(one) || (weak[one] ?? []).some((known) => name === known || name.startsWith(`${known}-`));
  const alternatives = licence.replaceAll(/[()]/g, "").split(" OR ");
  return alternatives.some((all) => all.split(" AND ").every((one) => isFine(one.trim())));
}

/** What a package says of its licence, in its own words. */
function textsOf({ name, folder }: Dependency): string {
  if (folder === null) return "";
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const texts = files.sort().map((file) => readFileSync(join(folder, file), "utf8").trim().replaceAll("\r\n", "\n"));
  // Its static files are those of swagger-ui.
  return name === "@fastify/swagger-ui" ? [...texts, "With swagger-ui, Apache-2.0."].join("\n\n") : texts.join("\n\n");
}

const rule = "=".repeat(80);

export function noticesText(): string {
  const dependencies = readDependencies();
  const label = ({ name, version, licence }: Dependency) => `${name} ${version} (${licence})`;
  const byText = new Map<string, Dependency[]>();
  for (const dependency of dependencies) {
    const text = textsOf(dependency);
    byText.set(text, [...(byText.get(text) ?? []), dependency]);
  }
  const silent = byText.get("") ?? [];
  byText.delete("");
  return [
    "What media-oracle is installed with, or has in its page, and under which licences.",
    "Made by npm run notices. Do not edit.",
    "",
    "Of sharp only the packages for one's own platform are installed. The container has Debian's",
    "packages besides: their licences are in its /usr/share/doc.",
    "",
    "Without a text of their own:",
    "",
    ...silent.map((dependency) => `  ${label(dependency)}`),
    ...[...byText].flatMap(([text, those]) => ["", rule, ...those.map(label), rule, "", text]),
    "",
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(noticesFile, noticesText());
