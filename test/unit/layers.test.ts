import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../src", import.meta.url));
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

/** The only folders that may import a library. The settings use zod too; the composition root starts the parts. */
const libraries: Readonly<Record<string, readonly string[]>> = {
  "close-with-grace": ["cli"],
  commander: ["cli"],
  pino: ["cache", "cli", "compose.ts", "http", "tracing.ts"], // cache, compose.ts, tracing.ts: types alone
  fastify: ["http", "compose.ts"], // compose.ts: types alone
  "@fastify/swagger": ["http"],
  "fastify-type-provider-zod": ["http"],
  "openapi-types": ["http"], // types alone
  "prom-client": ["http"],
  zod: ["http", "config.ts"],
  "ipaddr.js": ["fetch"],
  tldts: ["fetch"],
  undici: ["fetch"],
  sharp: ["media"],
  "libheif-js": ["media"],
  "@jsquash/jxl": ["media"],
  "@hyzyla/pdfium": ["media"],
  mediabunny: ["media"],
  blurhash: ["cli"], // decodes there, in the tests and on the page: its encoder has a fault
  "lru-cache": ["cache", "fetch"],
  "http-cache-semantics": ["cache"],
  ioredis: ["cache"],
  "@opentelemetry/api": ["tracing.ts"],
  "@opentelemetry/core": ["tracing.ts"],
  "@opentelemetry/resources": ["tracing.ts"],
  "@opentelemetry/sdk-trace-base": ["tracing.ts"],
  "@opentelemetry/exporter-trace-otlp-http": ["tracing.ts"],
};

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(/(?:from\s+|import\s*\(?\s*)"([^"]+)"/g)].map(([, name]) => name!);
}

/** Returns the package of an imported file. */
function packageOf(name: string): string {
  return name.split("/", name.startsWith("@") ? 2 : 1).join("/");
}

/** Returns the room of a file below src: its folder, or the file itself. */
function roomOf(file: string): string {
  return file.split("/")[0]!;
}

/** Returns the imports that break a rule, as `file: import`. */
function faults(isFault: (name: string, room: string, file: string) => boolean): string[] {
  return files.flatMap((file) =>
    importsOf(file)
      .filter((name) => isFault(name, roomOf(file), file))
      .map((name) => `src/${file}: ${name}`),
  );
}

const known: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  fetch: ["domain"],
  load: ["domain"],
  media: ["domain"],
  cache: ["domain"],
  http: ["domain"],
  client: [],
  cli: ["client", "compose.ts", "config.ts", "domain", "http"],
  "main.ts": ["cli"],
  "oracle.ts": ["domain", "fetch", "load", "media", "reading.ts"],
  "reading.ts": ["domain", "fetch", "media"],
  "config.ts": ["cache", "fetch", "media"],
  "tracing.ts": ["http"],
};

test("a room imports only the domain and itself, except the pipeline, the settings and the composition root", () => {
  const isForeign = (name: string, room: string, file: string) => {
    if (!name.startsWith(".") || room === "compose.ts") return false;
    const other = roomOf(importedFile(name, file) ?? "");
    return other !== room && !known[room]!.includes(other);
  };
  expect(faults(isForeign)).toEqual([]);
});

/** Returns the imported file, below src; null for a library or a built-in module. */
function importedFile(name: string, file: string): string | null {
  return name.startsWith(".") ? relative(root, join(root, dirname(file), name)) : null;
}

test("nothing outside src/media/worker imports from it: no pixel is decoded in the service process", () => {
  const isInWorker = (file: string | null) => file?.startsWith("media/worker/") ?? false;
  expect(faults((name, _, file) => !isInWorker(file) && isInWorker(importedFile(name, file)))).toEqual([]);
});

test("src/media/formats imports only itself, src/media/raster.ts and zlib: both processes can use it", () => {
  const isAllowed = (name: string, file: string) => {
    const imported = importedFile(name, file) ?? name;
    return imported.startsWith("media/formats/") || ["media/raster.ts", "node:zlib"].includes(imported);
  };
  expect(faults((name, _, file) => file.startsWith("media/formats/") && !isAllowed(name, file))).toEqual([]);
});

test("a library is imported only by its own room", () => {
  const isForeign = (name: string, room: string) =>
    !/^(\.|node:)/.test(name) && !libraries[packageOf(name)]?.includes(room);
  expect(faults(isForeign)).toEqual([]);
});

test("only fetch/ and the client of the shared cache open connections", () => {
  const network = /^node:(net|tls|http|https|http2|dns|dgram)\b/;
  // isIP and the types of the server's own sockets are no connections.
  const harmless: Readonly<Record<string, readonly string[]>> = {
    "config.ts": ["node:net"],
    http: ["node:http", "node:net"],
  };
  const opens = (name: string, room: string) =>
    room !== "fetch" && network.test(name) && !harmless[room]?.includes(name);
  expect(faults(opens)).toEqual([]);
});

test("only the client and the command line use the global fetch, and nothing a WebSocket or an EventSource", () => {
  const connects = /(?<![.\w"])(?:fetch\(|globalThis\.fetch|new (?:WebSocket|EventSource)\()/;
  const isAllowed = (file: string) => ["client", "cli"].includes(roomOf(file));
  const codeOf = (file: string) => readFileSync(join(root, file), "utf8").replace(/\/\*.*?\*\/|\/\/.*$/gms, "");
  expect(files.filter((file) => !isAllowed(file) && connects.test(codeOf(file)))).toEqual([]);
});

test("no file imports itself by way of other files, not even for a type", () => {
  const imports = new Map(
    files.map((file) => [file, importsOf(file).flatMap((name) => importedFile(name, file) ?? [])] as const),
  );
  const done = new Set<string>();
  function findCycle(file: string, path: readonly string[]): readonly string[] | null {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const imported of imports.get(file) ?? []) {
      const cycle = findCycle(imported, [...path, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return null;
  }
  const cycles = files.map((file) => findCycle(file, [])).filter((cycle) => cycle !== null);
  expect(cycles.map((cycle) => cycle.join(" > "))).toEqual([]);
});

test("only the composition root reads the environment", () => {
  const reads = (file: string) => /process\.env|"node:process"/.test(readFileSync(join(root, file), "utf8"));
  expect(files.filter((file) => reads(file))).toEqual(["main.ts"]);
});

test("each library of the program has its room", () => {
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, "../package.json"), "utf8")) as {
    dependencies: Record<string, string>;
    optionalDependencies: Record<string, string>;
  };
  const named = new Set([...Object.keys(libraries), "pino-pretty"]); // named to pino as a transport, never imported
  const needed = Object.keys({ ...dependencies, ...optionalDependencies });
  expect(needed.filter((name) => !named.has(name))).toEqual([]);
});
