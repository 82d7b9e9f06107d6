import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Import, readSourceFiles } from "../support/source-files.ts";

// Globals that open a connection.
const connecting = ["fetch", "WebSocket", "EventSource", "XMLHttpRequest"];

const files = readSourceFiles([...connecting, "process.env"]);

/** The only folders that may import a library. The settings use zod too; the composition root starts the parts. */
const libraries: Readonly<Record<string, readonly string[]>> = {
  "close-with-grace": ["cli"],
  commander: ["cli"],
  pino: ["cache", "cli", "compose.ts", "http", "tracing.ts"], // cache, compose.ts, tracing.ts: types alone
  "pino-pretty": ["cli"], // also named to pino as a transport
  fastify: ["http", "compose.ts"], // compose.ts: types alone
  "@fastify/swagger": ["http"],
  "fastify-type-provider-zod": ["http"],
  "openapi-types": ["http"], // types alone
  "prom-client": ["http"],
  zod: ["http", "config.ts", "setting-values.ts"],
  "ipaddr.js": ["fetch", "http"],
  tldts: ["fetch"],
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

/** Returns the package of an imported file. */
function packageOf(name: string): string {
  return name.split("/", name.startsWith("@") ? 2 : 1).join("/");
}

/** Returns the room of a file below src: its folder, or the file itself. */
function roomOf(file: string): string {
  return file.split("/")[0]!;
}

/** Returns the imports that break a rule, as `file: import`. */
function faults(isFault: (imported: Import, room: string, file: string) => boolean): string[] {
  return files.flatMap(({ name, imports }) =>
    imports.filter((imported) => isFault(imported, roomOf(name), name)).map(({ from }) => `src/${name}: ${from}`),
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
  "oracle.ts": ["domain", "early-preview.ts", "fetch", "load", "media", "reading.ts"],
  "reading.ts": ["domain", "early-preview.ts", "fetch", "media"],
  "early-preview.ts": ["domain", "media"],
  "config.ts": ["cache", "domain", "fetch", "media", "setting-values.ts"],
  "setting-values.ts": ["cache", "fetch", "media"],
  "tracing.ts": ["http"],
};

test("a room imports only the domain and itself, except the pipeline, the settings and the composition root", () => {
  const isForeign = ({ file }: Import, room: string) => {
    if (file === null || room === "compose.ts") return false;
    const other = roomOf(file);
    return other !== room && !known[room]!.includes(other);
  };
  expect(faults(isForeign)).toEqual([]);
});

test("a library is imported only by its own room", () => {
  const isForeign = ({ from }: Import, room: string) =>
    !/^(\.|node:)/.test(from) && !libraries[packageOf(from)]?.includes(room);
  expect(faults(isForeign)).toEqual([]);
});

/** Returns the cycles of files that import each other; of mutual cycles, one list with all their files. */
function cyclesOf(kinds: readonly Import["kind"][]): string[][] {
  const imported = new Map(
    files.map(({ name, imports }) => [
      name,
      imports.flatMap(({ file, kind }) => (file !== null && kinds.includes(kind) ? [file] : [])),
    ]),
  );
  const reached = new Map(files.map(({ name }) => [name, new Set<string>()]));
  for (const { name } of files) {
    const open = [name];
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      for (const next of imported.get(file) ?? []) {
        if (reached.get(name)!.has(next)) continue;
        reached.get(name)!.add(next);
        open.push(next);
      }
    }
  }
  const areMutual = (one: string, other: string) => reached.get(one)!.has(other) && reached.get(other)!.has(one);
  const cycles = files
    .filter(({ name }) => areMutual(name, name))
    .map(({ name }) => files.flatMap((other) => (areMutual(name, other.name) ? [other.name] : [])).sort());
  return [...new Map(cycles.map((cycle) => [cycle.join(), cycle])).values()];
}

test("no file of src imports itself through other files, types and dynamic imports included", () => {
  expect(cyclesOf(["static", "dynamic", "type"])).toEqual([]);
});

test("nothing outside src/media/worker imports from it: no pixel is decoded in the service process", () => {
  const isInWorker = (file: string | null) => file?.startsWith("media/worker/") ?? false;
  expect(faults(({ file }, _room, importer) => !isInWorker(importer) && isInWorker(file))).toEqual([]);
});

test("src/media/formats imports only itself, src/media/raster.ts and zlib: both processes can use it", () => {
  const isAllowed = ({ from, file }: Import) =>
    (file ?? "").startsWith("media/formats/") || ["media/raster.ts", "node:zlib"].includes(file ?? from);
  const isFault = (imported: Import, _room: string, importer: string) =>
    importer.startsWith("media/formats/") && !isAllowed(imported);
  expect(faults(isFault)).toEqual([]);
});

/** The only places that may open a connection: the guarded client, the operator's Redis and collector, our own clients. */
const connectors = ["fetch/", "cache/redis.ts", "tracing.ts", "client/", "cli/"];

function mayConnect(file: string): boolean {
  return connectors.some((place) => (place.endsWith("/") ? file.startsWith(place) : file === place));
}

test("only fetch/, cache/redis.ts, tracing.ts, client/ and cli/ import modules that open connections", () => {
  const network =
    /^((node:)?(net|tls|https?|http2|dns|dgram|quic)(\/|$)|(undici|ioredis|@opentelemetry\/exporter-[^/]+)(\/|$))/;
  // Functions of node:net that only parse a text.
  const harmless = ["isIP", "isIPv4", "isIPv6"];
  const connects = ({ from, kind, values }: Import, _room: string, file: string) =>
    network.test(from) &&
    kind !== "type" &&
    values?.every((value) => harmless.includes(value)) !== true &&
    !mayConnect(file);
  expect(faults(connects)).toEqual([]);
});

test("only fetch/, cache/redis.ts, tracing.ts, client/ and cli/ use fetch, WebSocket or EventSource", () => {
  const uses = files.flatMap(({ name, uses }) =>
    connecting.filter((global) => uses.has(global) && !mayConnect(name)).map((global) => `src/${name}: ${global}`),
  );
  expect(uses).toEqual([]);
});

test("only main.ts and cli/ read the environment of the process", () => {
  const readsEnvironment = files.filter(
    ({ uses, imports }) => uses.has("process.env") || imports.some(({ from }) => /^(node:)?process$/.test(from)),
  );
  const faulty = readsEnvironment.filter(({ name }) => name !== "main.ts" && roomOf(name) !== "cli");
  expect(faulty.map(({ name }) => name)).toEqual([]);
  expect(readsEnvironment.map(({ name }) => name)).toContain("main.ts");
});

test("each library of the program has its room", () => {
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  ) as {
    dependencies: Record<string, string>;
    optionalDependencies: Record<string, string>;
  };
  const named = new Set(Object.keys(libraries));
  const needed = Object.keys({ ...dependencies, ...optionalDependencies });
  expect(needed.filter((name) => !named.has(name))).toEqual([]);
});
