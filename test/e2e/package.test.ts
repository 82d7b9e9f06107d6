import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { photo } from "../support/images.ts";
import { startOrigin } from "../support/origin.ts";
import { startService } from "../support/service.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

let folder: string;
let packed: Packed;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "media-oracle-package-"));
  const parameters = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
  [packed] = JSON.parse(execFileSync("npm", parameters, { cwd: root, stdio: ["ignore", "pipe", "ignore"] }).toString());
});

afterAll(() => rmSync(folder, { recursive: true }));

test("the npm package contains the program, its documents and the Prosody modules, and nothing else", () => {
  const paths = packed.files.map(({ path }) => path);
  const known = [
    /^(package\.json|README\.md|LICENSE|THIRD_PARTY_NOTICES|openapi\.yaml)$/,
    /^dist\/(commit|[\w/-]+\.js)$/,
    /^dist\/client\/\w+\.d\.ts$/,
    /^dist\/page\/([\w/-]+\.(js|css|html|svg|jpg|json)|vendor\/NOTICE\.txt)(\.br|\.gz)?$/,
    /^prosody\/mod_\w+\/(README\.md|\w+\.lua|\w+\.lib\.lua|[\w-]+\.rockspec)$/,
  ];
  expect(paths.filter((path) => !known.some((pattern) => pattern.test(path)))).toEqual([]);
  for (const path of [
    ...["package.json", "README.md", "LICENSE", "THIRD_PARTY_NOTICES", "openapi.yaml"],
    ...[
      "dist/main.js",
      "dist/media/worker/main.js",
      "dist/client/client.js",
      "dist/client/client.d.ts",
      "dist/page/index.html",
    ],
    ...[
      "prosody/mod_muc_media_metadata/mod_muc_media_metadata.lua",
      "prosody/mod_media_metadata/mod_media_metadata.lua",
    ],
  ]) {
    expect(paths).toContain(path);
  }
});

/** Installs the package as npm would, with its runtime dependencies and without development dependencies. */
function install(): string {
  const modules = join(folder, "installed/node_modules");
  const target = join(modules, "media-oracle");
  mkdirSync(target, { recursive: true });
  execFileSync("tar", ["-xzf", join(folder, packed.filename), "-C", target, "--strip-components=1"]);
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean }>;
  };
  for (const [path, { dev }] of Object.entries(packages)) {
    const [, name] = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path) ?? [];
    if (name === undefined || dev || !existsSync(join(root, path))) continue;
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, path), join(modules, name));
  }
  return join(target, "dist/main.js");
}

test("the package serves requests when installed without development dependencies", async () => {
  const picture = await photo(64, 48).jpeg().toBuffer();
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end(picture));
  const service = await startService({ ALLOW_ADDRESSES: "127.0.0.1/32", ALLOW_PORTS: "1-65535" }, {}, install());
  onTestFinished(async () => void (await service.stop()));
  const reply = await fetch(`${service.url}/metadata?url=${encodeURIComponent(origin.url("/a.jpg"))}`);
  expect(await reply.json()).toMatchObject({ type: "image/jpeg", width: 64, blurhash: expect.any(String) });
  for (const path of ["/", "/docs", "/openapi.json"]) {
    expect([path, (await fetch(`${service.url}${path}`)).status]).toEqual([path, 200]);
  }
});

test("the first stage of the Dockerfile copies every file that the build reads", () => {
  const [, stage = ""] = readFileSync(join(root, "Dockerfile"), "utf8").split(/^FROM .*$/m);
  const copied = [...stage.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, sources = ""]) => sources.split(" "));
  expect(copied).toContain("src");
  const app = join(folder, "app");
  for (const path of copied) cpSync(join(root, path), join(app, path), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(app, "node_modules"));
  rmSync(join(app, "clients/javascript/dist"), { recursive: true, force: true });
  execFileSync("npm", ["run", "build"], { cwd: app, stdio: ["ignore", "ignore", "pipe"] });
  const files = ["dist/main.js", "dist/media/worker/main.js", "dist/page/index.html", "dist/client/client.js"];
  expect(files.filter((file) => !existsSync(join(app, file)))).toEqual([]);
});
