import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { describe, expect, onTestFinished, test } from "vitest";
import { asNobody, canBeNobody } from "../../support/limits.ts";
import { requires } from "../../support/require.ts";
import { runProgram, startService } from "../../support/service.ts";

const has = (command: string): boolean => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;

test("an invalid command line exits with 2, with a message on stderr and nothing on stdout", async () => {
  for (const args of [
    ["prob"],
    ["probe"],
    ["probe", "--no-such-flag"],
    ["config"],
    ["batch", "/no/such/file"],
    ["batch", tmpdir()],
    ["batch", "--concurrency", "0"],
    ["probe", "--json", "--xml", "https://a.org"],
  ]) {
    const { code, stdout, stderr } = await runProgram(args);
    expect([args, code, stdout]).toEqual([args, 2, ""]);
    expect(stderr).toMatch(/^media-oracle: \S/);
  }
});

test("a command without its arguments prints its usage and an example", async () => {
  for (const command of ["probe", "token", "config", "completion"]) {
    const { code, stderr } = await runProgram([command]);
    expect([command, code]).toEqual([command, 2]);
    expect(stderr).toMatch(
      new RegExp(
        `^media-oracle: missing required argument .*\nUsage: media-oracle ${command} .*\nExample: media-oracle ${command} \\S`,
      ),
    );
  }
});

test.each([
  ["port", "PORT", "--port or MEDIA_ORACLE_PORT"],
  ["metrics port", "METRICS_PORT", "--metrics-port or MEDIA_ORACLE_METRICS_PORT"],
])("serve exits with 69 if the %s is in use, and names the port and its flag", async (_, setting, flag) => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as AddressInfo;
  const { code, stderr } = await runProgram(["serve"], { PORT: "0", [setting]: String(port) });
  expect(code).toBe(69);
  expect(stderr).toContain(`port ${port} of 127.0.0.1 is in use by another program (EADDRINUSE)`);
  expect(stderr).toContain(`choose another one with ${flag}\n`);
});

test("config print shows every setting, defaults as comments, secrets as asterisks", async () => {
  const settings = {
    MAX_BYTES: "1000",
    TOKENS: "planted-secret-text",
    REDIS_URL: "redis://:planted-secret-text@localhost",
  };
  const { code, stdout } = await runProgram(["config", "print", "--port", "9000"], settings);
  expect(code).toBe(0);
  const lines = stdout.split("\n");
  for (const line of [
    "MEDIA_ORACLE_PORT=9000",
    "MEDIA_ORACLE_MAX_BYTES=1000",
    "# MEDIA_ORACLE_MAX_REDIRECTS=10",
    "MEDIA_ORACLE_TOKENS=********",
    "MEDIA_ORACLE_REDIS_URL=********",
    "# MEDIA_ORACLE_TOKEN_KEY=",
  ]) {
    expect(lines).toContain(line);
  }
  expect(stdout).not.toContain("planted-secret-text");
});

test("config check exits with 0, or with 78 and a list of all invalid settings", async () => {
  const good = await runProgram(["config", "check"]);
  expect([good.code, good.stdout]).toEqual([0, ""]);
  const bad = await runProgram(["config", "check"], { PORT: "x", TYPO: "1" });
  expect(bad.code).toBe(78);
  for (const word of ["MEDIA_ORACLE_PORT", "MEDIA_ORACLE_TYPO"]) expect(bad.stderr).toContain(word);
});

test.each(["config check", "serve"])(
  "%s exits with 78 if the cache file cannot be written, and names the setting and the cause",
  async (command) => {
    const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "file"), "");
    for (const [file, cause] of [
      [join(folder, "file", "cache"), "ENOTDIR"],
      [join(folder, "none", "cache"), "ENOENT"],
      [folder, "EISDIR"],
      ["/proc/cache", /ENOENT|EACCES/], // a file system without new files
    ] as const) {
      const { code, stdout, stderr } = await runProgram(command.split(" "), { CACHE_FILE: file, PORT: "0" });
      expect([file, code, stdout]).toEqual([file, 78, ""]);
      expect(stderr).toMatch(/^ {2}MEDIA_ORACLE_CACHE_FILE cannot be written .+$/m);
      expect(stderr).toMatch(cause);
    }
    expect(readdirSync(folder)).toEqual(["file"]);
  },
);

test("config check accepts a cache file that can be written, and leaves its folder as it was", async () => {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "cache");
  expect((await runProgram(["config", "check"], { CACHE_FILE: file })).code).toBe(0);
  writeFileSync(file, "old");
  expect((await runProgram(["config", "check"], { CACHE_FILE: file })).code).toBe(0);
  expect([readdirSync(folder), readFileSync(file, "utf8")]).toEqual([["cache"], "old"]);
});

test.skipIf(requires("root user with a checkout that others can read", canBeNobody))(
  "config check exits with 78 if its user may not write the folder of the cache file",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    chmodSync(folder, 0o755);
    const [setpriv, ...args] = asNobody;
    const program = new URL("../../../dist/main.js", import.meta.url).pathname;
    const { status, stderr } = spawnSync(setpriv, [...args, process.execPath, program, "config", "check"], {
      env: { MEDIA_ORACLE_CACHE_FILE: join(folder, "cache") },
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([78, expect.stringContaining("EACCES")]);
  },
);

test("serve rejects MEDIA_ORACLE_TOKEN, the token of clients, and names MEDIA_ORACLE_TOKENS", async () => {
  const { code, stderr } = await runProgram(["serve"], { TOKEN: "planted-secret-text" });
  expect(code).toBe(78);
  expect(stderr).toContain("MEDIA_ORACLE_TOKENS");
  expect(stderr).not.toContain("planted-secret-text");
});

const root = new URL("../../../", import.meta.url);
const { version } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as { version: string };

test("openapi prints the same document as openapi.yaml", async () => {
  const { stdout } = await runProgram(["openapi"]);
  expect(JSON.parse(stdout)).toEqual(parse(readFileSync(new URL("openapi.yaml", root), "utf8")));
});

test("version prints the version of a service with these settings, and --version only the number", async () => {
  const settings = { FORMATS: "png,video" };
  const { stdout } = await runProgram(["version", "--json"], settings);
  expect(JSON.parse(stdout)).toMatchObject({
    version,
    commit: readFileSync(new URL("dist/commit", root), "utf8") || null,
    node: process.versions.node,
    libvips: expect.stringMatching(/^8\.\d+\.\d+$/),
    formats: expect.arrayContaining(["png", "video"]),
  });
  const forPeople = /^version +\S+\ncommit +\w+\nnode +[\d.]+\nlibvips +8/;
  expect((await runProgram(["version"], settings)).stdout).toMatch(forPeople);
  expect((await runProgram(["--version"])).stdout).toBe(`${version}\n`);
});

test("version --server prints the version of a running service, with its token", async () => {
  const service = await startService({ FORMATS: "png", TOKENS: "a-token-of-a-test" });
  onTestFinished(async () => void (await service.stop()));
  const environment = { MEDIA_ORACLE_TOKEN: "a-token-of-a-test" };
  const authorized = await runProgram(["version", "--json", "--server", service.url], {}, { environment });
  expect(JSON.parse(authorized.stdout)).toMatchObject({ version, formats: ["png"] });
  const unauthorized = await runProgram(["version", "--server", service.url]);
  expect([unauthorized.code, unauthorized.stdout]).toEqual([69, ""]);
});

test("a closed stdout pipe is not an error", () => {
  const program = new URL("../../../dist/main.js", import.meta.url).pathname;
  const { stdout, stderr } = spawnSync("sh", ["-c", `"${process.execPath}" "${program}" openapi | head -c 1`], {
    encoding: "utf8",
  });
  expect([stdout, stderr]).toEqual(["{", ""]);
});

describe("shell completion", () => {
  async function writeScript(shell: string): Promise<string> {
    const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const { code, stdout } = await runProgram(["completion", shell]);
    expect(code).toBe(0);
    writeFileSync(join(folder, "completion"), stdout);
    return join(folder, "completion");
  }

  const run = (shell: string, args: string[]): string[] => {
    const { stdout, stderr } = spawnSync(shell, args, {
      encoding: "utf8",
      env: { PATH: process.env.PATH, HOME: tmpdir() },
    });
    expect(stderr).toBe("");
    return stdout.trim().split("\n");
  };

  test.skipIf(requires("bash", has("bash")))(
    "the bash completion script completes commands, flags and values",
    async () => {
      const file = await writeScript("bash");
      const complete = (words: string) =>
        run("bash", [
          "-c",
          `. ${file}; COMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _media_oracle; printf '%s\\n' "\${COMPREPLY[@]}"`,
        ]);
      expect(complete("media-oracle pr")).toEqual(["probe"]);
      expect(complete("media-oracle probe --j")).toEqual(["--json"]);
      expect(complete("media-oracle serve --max-b")).toEqual(["--max-bytes"]);
      expect(complete("media-oracle config ''")).toEqual(expect.arrayContaining(["print", "check"]));
      expect(complete("media-oracle serve --log-level d")).toEqual(["debug"]);
      expect(complete("media-oracle serve --log-level = d")).toEqual(["debug"]); // as bash splits --log-level=d
      expect(complete("media-oracle probe --formats = ")).toEqual(expect.arrayContaining(["jpeg", "svg"]));
    },
  );

  test.skipIf(requires("fish", has("fish")))(
    "the fish completion script completes commands, flags and values",
    async () => {
      const file = await writeScript("fish");
      const complete = (line: string) =>
        run("fish", ["--no-config", "-c", `source ${file}; complete -C ${JSON.stringify(line)}`]).map(
          (found) => found.split("\t")[0],
        );
      expect(complete("media-oracle pr")).toEqual(["probe"]);
      expect(complete("media-oracle probe --j")).toEqual(["--json"]);
      expect(complete("media-oracle serve --log-level d")).toEqual(["debug"]);
    },
  );

  test.skipIf(requires("zsh", has("zsh")))(
    "the zsh completion script completes commands, flags and values",
    async () => {
      const file = await writeScript("zsh");
      const complete = (words: string, current: number) =>
        run("zsh", [
          "-f",
          "-c",
          `autoload -U compinit; compinit -D; _describe() { print -l -- \${(P)2} }; . ${file}; words=(${words}); CURRENT=${current}; _media_oracle; print -- $_comps[media-oracle]`,
        ]);
      expect(complete("media-oracle ''", 2)).toEqual(
        expect.arrayContaining([expect.stringMatching(/^probe:look up URLs and files/), "_media_oracle"]),
      );
      expect(complete("media-oracle probe ''", 3)).toEqual(expect.arrayContaining([expect.stringMatching(/^--json:/)]));
      expect(complete("media-oracle serve --log-level ''", 4)).toEqual(expect.arrayContaining(["debug", "silent"]));
    },
  );
});
