import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../src", import.meta.url));
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

/** Which folder alone may import a library. The settings read zod too; the composition root starts what it composes. */
const libraries: Readonly<Record<string, readonly string[]>> = {
  "close-with-grace": ["main.ts"],
  commander: ["main.ts"],
  pino: ["main.ts"],
  fastify: ["http"],
  "@fastify/bearer-auth": ["http"],
  "@fastify/swagger": ["http"],
  "fastify-type-provider-zod": ["http"],
  "openapi-types": ["http"],
  "prom-client": ["http"],
  zod: ["http", "config.ts"],
  "ipaddr.js": ["fetch"],
  undici: ["fetch"],
  sharp: ["media"],
  blurhash: ["media"],
  "lru-cache": ["cache"],
};

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(([, name]) => name!);
}

/** The room of a file below src: its folder, or the file itself. */
function roomOf(file: string): string {
  return file.split("/")[0]!;
}

describe.each(files)("src/%s", (file) => {
  const room = roomOf(file);
  const imports = importsOf(file);
  const local = imports
    .filter((name) => name.startsWith("."))
    .map((name) => relative(root, join(root, dirname(file), name)));

  test("imports only from the rooms that it may know", () => {
    const others = local.map(roomOf).filter((other) => other !== room);
    const known: Record<string, readonly string[]> = {
      domain: [],
      fetch: ["domain"],
      media: ["domain"],
      cache: ["domain"],
      http: ["domain"],
      "oracle.ts": ["domain", "fetch", "media"],
      "config.ts": ["fetch", "media"],
    };
    expect(others.filter((other) => room !== "main.ts" && !known[room]!.includes(other))).toEqual([]);
  });

  test("imports only the libraries that belong into its room", () => {
    const foreign = imports.filter((name) => !name.startsWith(".") && !name.startsWith("node:"));
    expect(foreign.filter((name) => !libraries[name]?.includes(room))).toEqual([]);
  });

  test.skipIf(file === "main.ts")("does not read the environment", () => {
    expect(readFileSync(join(root, file), "utf8")).not.toMatch(/process\.env|from "node:process"/);
  });

  test.skipIf(room === "fetch")("opens no connection", () => {
    const network = new Set([
      "node:net",
      "node:tls",
      "node:http",
      "node:https",
      "node:http2",
      "node:dns",
      "node:dgram",
    ]);
    // isIP and the types are no connection.
    const allowed: Record<string, readonly string[]> = { "config.ts": ["node:net"], http: ["node:http", "node:net"] };
    expect(imports.filter((name) => network.has(name) && !allowed[room]?.includes(name))).toEqual([]);
  });
});

test("each library the program needs has its one room", () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, "../package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  const named = new Set([...Object.keys(libraries), "pino-pretty"]); // named to pino as a transport, never imported
  expect(Object.keys(dependencies).filter((name) => !named.has(name))).toEqual([]);
});
