/** Tests the JavaScript client as users install it: the packed tarball alone in an empty folder. */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { photo } from "../support/images.ts";
import { type Origin, startOrigin } from "../support/origin.ts";
import { requires } from "../support/require.ts";
import { type Service, startService } from "../support/service.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const source = join(root, "clients/javascript");
const executablePath = "/usr/bin/chromium";
const run = promisify(execFile);
const picture = await photo(64, 48).png().toBuffer();

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "media-oracle-client-"));
  const parameters = ["pack", "--json", "--pack-destination", folder];
  const [packed] = JSON.parse(execFileSync("npm", parameters, { cwd: source }).toString()) as { filename: string }[];
  const flags = ["--offline", "--no-audit", "--no-fund", "--prefix", folder];
  execFileSync("npm", ["install", ...flags, join(folder, packed!.filename)], { cwd: folder });
});

afterAll(() => rmSync(folder, { recursive: true }));

const installed = (): string => join(folder, "node_modules/media-oracle-client");

async function start(settings: Record<string, string> = {}): Promise<Service> {
  const service = await startService({ ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535", ...settings });
  onTestFinished(async () => void (await service.stop()));
  return service;
}

const startPicture = (): Promise<Origin> => startOrigin(onTestFinished, (_request, response) => response.end(picture));

interface Versioned {
  readonly version: string;
  readonly dependencies?: object;
}

function readPackage(path: string): Versioned {
  return JSON.parse(readFileSync(join(path, "package.json"), "utf8")) as Versioned;
}

test("the package of the client has no dependencies, the version of the service, and only compiled files", () => {
  const { version, dependencies } = readPackage(installed());
  expect([version, dependencies]).toEqual([readPackage(root).version, undefined]);
  expect(readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith("."))).toEqual([
    "media-oracle-client",
  ]);
  expect(readdirSync(join(installed(), "dist")).sort()).toEqual(
    ["LICENSE", "api.d.ts", "client.d.ts", "client.js", "words.d.ts", "words.js"].sort(),
  );
});

test("the installed client describes URLs in Node", async () => {
  const [service, origin] = await Promise.all([start(), startPicture()]);
  const script = `
    import { createClient, ProblemError } from "media-oracle-client";
    import { explainProblem } from "media-oracle-client/words";
    const client = createClient({ baseUrl: process.env.ORACLE });
    const { metadata } = await client.describe(process.env.PICTURE);
    const items = [];
    for await (const item of client.describeAll([process.env.PICTURE])) items.push(item.metadata.height);
    const problem = await client.describe("ftp://a.example.org/").catch((error) => error);
    console.log(JSON.stringify([metadata.width, items, problem instanceof ProblemError, explainProblem(problem.problem)]));
  `;
  writeFileSync(join(folder, "ask.mjs"), script);
  const environment = { PATH: process.env.PATH, ORACLE: service.url, PICTURE: origin.url("/a.png") };
  const { stdout } = await run(process.execPath, ["ask.mjs"], { cwd: folder, env: environment });
  expect(JSON.parse(stdout)).toEqual([64, [48], true, expect.stringContaining("The scheme must be http or https.")]);
});

test("the declarations of the installed client suffice for a strict type check", async () => {
  const script = `
    import { createClient, type Metadata, type Problem } from "media-oracle-client";
    import { explainProblem } from "media-oracle-client/words";
    const client = createClient({ baseUrl: "http://127.0.0.1:8080" });
    const metadata: Metadata = (await client.describe("a", { fields: ["type"] })).metadata;
    export const width: number | null = metadata.width;
    export const explain = (problem: Problem): string => explainProblem(problem);
    // @ts-expect-error no such field
    await client.describe("a", { fields: ["colour"] });
  `;
  writeFileSync(join(folder, "typed.mts"), script);
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--lib", "es2023,dom"];
  const { stdout } = await run(process.execPath, [tsc, ...flags, "typed.mts"], { cwd: folder }).catch(
    (error: unknown) => error as { stdout: string },
  );
  expect(stdout).toBe("");
});

/** Serves an empty page and the installed modules, as the web server of a chat would. */
function startSite(): Promise<Origin> {
  return startOrigin(onTestFinished, ({ url = "" }, response) => {
    const [, name = ""] = /^\/(client|words)\.js$/.exec(url) ?? [];
    response.setHeader("content-type", name ? "text/javascript" : "text/html");
    response.end(name ? readFileSync(join(installed(), `dist/${name}.js`)) : "<!doctype html><title>chat</title>");
  });
}

const askInPage = (service: string, url: string, token: string | null): string => `
  (async () => {
    const { createClient, ProblemError, NoAnswerError } = await import("/client.js");
    const client = createClient({ baseUrl: ${JSON.stringify(service)}, token: ${JSON.stringify(token)} ?? undefined });
    const url = ${JSON.stringify(url)};
    try {
      const { metadata, cacheStatus, timings } = await client.describe(url);
      const heights = [];
      for await (const item of client.describeAll([url])) heights.push(item.metadata.height);
      return [metadata.width, heights, cacheStatus, Object.keys(timings)];
    } catch (error) {
      return error instanceof ProblemError ? error.problem.code : error instanceof NoAnswerError ? "no answer" : String(error);
    }
  })()`;

test.skipIf(requires("chromium", existsSync(executablePath)))(
  "in Chromium, the installed client works on pages of listed origins only, with and without tokens",
  async () => {
    const [listed, other, origin] = await Promise.all([startSite(), startSite(), startPicture()]);
    const token = "a-token-of-a-web-chat";
    const settings = { CORS_ORIGINS: listed.url("") };
    const [open, guarded] = await Promise.all([start(settings), start({ ...settings, TOKENS: token })]);
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    onTestFinished(() => browser.close());
    const askFrom = async (site: Origin, service: Service, path: string, token: string | null) => {
      const page = await browser.newPage();
      await page.goto(site.url("/"));
      return page.evaluate(askInPage(service.url, origin.url(path), token));
    };
    expect(await askFrom(other, open, "/other.png", null)).toBe("no answer");
    expect(origin.requests).toBe(0);
    const described = [64, [48], "media-oracle; fwd=miss", expect.arrayContaining(["fetch"])];
    expect(await askFrom(listed, open, "/a.png", null)).toEqual(described);
    expect(await askFrom(listed, guarded, "/a.png", token)).toEqual(described);
    expect(await askFrom(listed, guarded, "/b.png", null)).toBe("unauthorized");
    expect(await askFrom(other, guarded, "/b.png", token)).toBe("no answer");
  },
);
