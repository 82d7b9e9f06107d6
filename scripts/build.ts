/**
 * Builds `src` into `dist`. With `--if-stale`, only if `dist` was not built from the current sources.
 *
 * Concurrent runs are safe: each run compiles into its own folder, then moves file by file (a rename is atomic, and all runs
 * move the same content), the stamp last.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { buildSync } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");
const stampFile = join(dist, ".sources");
const commitFile = join(dist, "commit");

/** Lists all files below a folder, as sorted relative paths; empty if the folder does not exist. */
function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function hashSources(): string {
  const files = ["src", "page"].flatMap((folder) => filesBelow(join(root, folder)).map((file) => join(folder, file)));
  const hash = createHash("sha256");
  for (const file of [
    "package.json",
    "package-lock.json",
    "scripts/build.ts",
    "tsconfig.json",
    "tsconfig.build.json",
    ...files,
  ]) {
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(root, file)))
      .update("\0");
  }
  return hash.digest("hex");
}

function readStamp(): string | null {
  try {
    return readFileSync(stampFile, "utf8");
  } catch {
    return null;
  }
}

// Files of dependencies that the page loads, and of clients that it links.
const copiedFiles = {
  "vendor/blurhash.js": "node_modules/blurhash/dist/esm/index.js",
  "vendor/thumbhash.js": "node_modules/thumbhash/thumbhash.js",
  "vendor/swagger-ui-bundle.js": "node_modules/@fastify/swagger-ui/static/swagger-ui-bundle.js",
  "vendor/swagger-ui.css": "node_modules/@fastify/swagger-ui/static/swagger-ui.css",
  "converse-media-metadata.js": "clients/converse-media-metadata/converse-media-metadata.js",
};
// Compiled modules of src/ that run in the browser too.
const sharedModules = ["client/client.js", "client/words.js", "domain/element.js", "domain/metadata.js"];

// Not bundled: packages with native code or WebAssembly, and those of OpenTelemetry that need not be installed.
const external = [
  ...["sharp", "libheif-js", "@jsquash/jxl", "@hyzyla/pdfium"],
  ...["core", "exporter-trace-otlp-http", "resources", "sdk-trace-base"].map((name) => `@opentelemetry/${name}`),
];

/**
 * Bundles a program with its libraries. Loaded as 900 modules, they take twice the CPU time at the start.
 * The files lie in one folder: `import.meta.url` is right for modules at the top of src only.
 *
 * @param entry in src
 * @param outdir receives the program by its name, and chunks that are loaded when first used
 */
function bundle(entry: string, outdir: string): void {
  buildSync({
    absWorkingDir: root,
    entryPoints: [join("src", entry)],
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    external,
    // The text of a loaded module stays in memory. Names are kept, for the stacks in the log.
    minifyWhitespace: true,
    lineLimit: 120,
    // Licences are in THIRD_PARTY_NOTICES.
    legalComments: "none",
    // CommonJS modules need these, and ES modules lack them.
    banner: {
      js:
        'const require = process.getBuiltinModule("node:module").createRequire(import.meta.url), ' +
        "__filename = import.meta.filename, __dirname = import.meta.dirname;",
    },
    logLevel: "warning",
  });
}

const compressedExtensions = [".html", ".css", ".js", ".json", ".svg", ".txt"];

// Of 11. At 9, swagger-ui takes 0.4 s and 365 kB; at 11, 5 s and 334 kB.
const brotliQuality = 9;

/** Writes a file's compressed forms beside it, which the service sends to browsers that accept them. */
function compress(path: string): void {
  const body = readFileSync(path);
  writeFileSync(
    `${path}.br`,
    brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality } }),
  );
  writeFileSync(`${path}.gz`, gzipSync(body, { level: constants.Z_BEST_COMPRESSION }));
}

/**
 * @param target folder of the page
 * @param modules folder of the compiled modules
 */
function copyPage(target: string, modules: string): void {
  const copy = (from: string, to: string) => {
    mkdirSync(dirname(join(target, to)), { recursive: true });
    copyFileSync(from, join(target, to));
  };
  const own = filesBelow(join(root, "page")).filter((file) => !/\.d\.ts$|tsconfig/.test(file));
  for (const file of own) copy(join(root, "page", file), file);
  for (const [file, from] of Object.entries(copiedFiles)) copy(join(root, from), file);
  for (const file of sharedModules) copy(join(modules, file), file);
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  writeFileSync(join(target, "version.js"), `export const version = ${JSON.stringify(version)};\n`);
  const texts = filesBelow(target).filter((file) => compressedExtensions.includes(extname(file)));
  for (const file of texts) compress(join(target, file));
}

/**
 * Returns the commit of the build: COMMIT if it is set, as in the container, which has no git; otherwise the commit of the
 * checkout, or "" if the built files have uncommitted changes.
 */
export function commitOf(folder: string, { COMMIT = "" }: NodeJS.ProcessEnv): string {
  if (COMMIT !== "" && !/^[0-9a-f]{7,64}$/.test(COMMIT)) throw new Error(`COMMIT=${COMMIT} is no commit ID`);
  if (COMMIT !== "" || !existsSync(join(folder, ".git"))) return COMMIT;
  const git = (...parameters: string[]) => {
    const { status, stdout } = spawnSync("git", parameters, { cwd: folder, encoding: "utf8" });
    return status === 0 ? stdout.trim() : null;
  };
  const changes = git("status", "--porcelain", "--", "src", "page", "package.json", "package-lock.json");
  return changes === "" ? (git("rev-parse", "HEAD") ?? "") : "";
}

/** Writes the commit even if the build is up to date: a new commit may change no built file. */
function writeCommit(): void {
  writeFileSync(`${commitFile}.${String(process.pid)}`, commitOf(root, process.env));
  renameSync(`${commitFile}.${String(process.pid)}`, commitFile);
}

const clientFiles = ["client.js", "client.d.ts", "words.js", "words.d.ts", "api.d.ts"];

/** Copies the compiled client into its package of its own, `clients/javascript`, which has only these modules. */
function copyClient(): void {
  const target = join(root, "clients/javascript/dist");
  mkdirSync(target, { recursive: true });
  const copy = (from: string, name: string) => {
    const fresh = join(target, `.${name}.${String(process.pid)}`);
    // The compiler leaves the extension of imported types, for which the package has declarations only.
    writeFileSync(
      fresh,
      readFileSync(from, "utf8").replaceAll('"./api.ts"', '"./api.js"').replaceAll('"./client.ts"', '"./client.js"'),
    );
    renameSync(fresh, join(target, name));
  };
  for (const file of clientFiles) copy(join(dist, "client", file), file);
  copy(join(root, "LICENSE"), "LICENSE");
}

export function build({ ifStale }: { ifStale: boolean }): void {
  const stamp = hashSources();
  if (!ifStale || readStamp() !== stamp) compile(stamp);
  copyClient();
  writeCommit();
}

function compile(stamp: string): void {
  process.stderr.write("Building dist, because the sources have changed\n");
  const fresh = join(root, `.build-${String(process.pid)}`);
  try {
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const modules = join(fresh, "modules");
    const compiled = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", modules], {
      cwd: root,
      stdio: "inherit",
    });
    if (compiled.status !== 0) throw new Error("the build failed");
    const built = join(fresh, "dist");
    bundle("main.ts", built);
    // A program of its own: a worker may read no other file of the service.
    bundle("media/worker/main.ts", join(built, "media/worker"));
    cpSync(join(modules, "client"), join(built, "client"), { recursive: true });
    copyPage(join(built, "page"), modules);
    const files = filesBelow(built);
    for (const file of files) {
      mkdirSync(dirname(join(dist, file)), { recursive: true });
      renameSync(join(built, file), join(dist, file));
    }
    chmodSync(join(dist, "main.js"), 0o755);
    for (const stale of filesBelow(dist).filter((file) => !files.includes(file) && !/^(commit|\.sources)/.test(file))) {
      rmSync(join(dist, stale), { force: true });
    }
    writeFileSync(`${stampFile}.${String(process.pid)}`, stamp);
    renameSync(`${stampFile}.${String(process.pid)}`, stampFile);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build({ ifStale: process.argv.includes("--if-stale") });
