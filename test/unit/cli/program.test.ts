import { expect, onTestFinished, test } from "vitest";
import { startOrigin } from "../../support/origin.ts";
import { runCommand } from "../../support/run-command.ts";

test("the help lists the commands and the exit codes", async () => {
  const { code, stdout, stderr } = await runCommand(["--help"]);
  expect([code, stderr]).toEqual([0, ""]);
  for (const command of ["serve", "probe", "batch", "health", "token", "config", "openapi", "completion", "version"]) {
    expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, "m"));
  }
  expect(stdout).toContain("Exit codes: 0 success;");
});

test("the help of serve shows each setting with its variable and its default, and no other help does", async () => {
  const { stdout } = await runCommand(["serve", "--help"]);
  expect(stdout.replaceAll(/\s+/g, " ")).toContain("port to listen on [MEDIA_ORACLE_PORT, 8080]");
  expect(stdout.replaceAll(/\s+/g, " ")).toContain("[MEDIA_ORACLE_METRICS_PORT]");
  expect(stdout).not.toContain("TOKEN_KEY");
  for (const command of ["probe", "batch", "health", "config", "version"]) {
    const help = (await runCommand([command, "--help"])).stdout;
    expect(help).not.toContain("MEDIA_ORACLE_PORT");
    expect(help).toContain("Settings: as flags (see `media-oracle serve --help`) or environment variables.");
  }
});

test.each([
  ["probe", "https://example.org/picture.jpg"],
  ["batch", "urls.txt --output answers.ndjson"],
  ["token", "chat.example.org --expires 90d"],
  ["config", "check"],
  ["completion", "bash > /etc/bash_completion.d/media-oracle"],
])("the help of %s has an example", async (command, example) => {
  const { code, stdout } = await runCommand([command, "--help"]);
  expect(code).toBe(0);
  expect(stdout).toContain(`Example: media-oracle ${command} ${example}`);
});

test("an unknown command or flag is an error of usage with a hint", async () => {
  expect(await runCommand(["prob"])).toEqual({
    code: 2,
    stdout: "",
    stderr: "media-oracle: unknown command prob (media-oracle --help)\n",
  });
  const { code, stderr } = await runCommand(["--no-such-flag"]);
  expect([code, stderr.startsWith("media-oracle: ")]).toEqual([2, true]);
  expect((await runCommand(["help"])).code).toBe(0);
});

test("--version prints the version", async () => {
  expect(await runCommand(["--version"])).toEqual({ code: 0, stdout: "1.2.3\n", stderr: "" });
});

test("token prints a token of the key, and exits with 78 without one", async () => {
  const key = { MEDIA_ORACLE_TOKEN_KEY: "k".repeat(32) };
  const { code, stdout } = await runCommand(["token", "chat.example.org"], key);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^mo1\.chat\.example\.org\.never\.[\w-]{43}\n$/)]);
  expect((await runCommand(["token", "chat.example.org", "--expires", "90d"], key)).stdout).toMatch(/\.\d{10}\./);
  expect((await runCommand(["token", "chat.example.org"])).code).toBe(78);
  expect((await runCommand(["token", "a b"], key)).code).toBe(2);
});

test("config print writes an environment file, and config check only a message", async () => {
  const environment = { MEDIA_ORACLE_QUEUE: "5", MEDIA_ORACLE_TOKEN_KEY: "k".repeat(32) };
  const { code, stdout, stderr } = await runCommand(["config", "print", "--max-bytes", "1000"], environment);
  expect([code, stderr]).toEqual([0, ""]);
  const lines = stdout.split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      "MEDIA_ORACLE_QUEUE=5",
      "MEDIA_ORACLE_MAX_BYTES=1000",
      "MEDIA_ORACLE_TOKEN_KEY=********",
      "# MEDIA_ORACLE_TOKENS=",
      "# MEDIA_ORACLE_PORT=8080",
    ]),
  );
  expect(await runCommand(["config", "check"])).toEqual({ code: 0, stdout: "", stderr: "The settings are valid.\n" });
  const invalid = await runCommand(["config", "check", "--port", "x"]);
  expect([invalid.code, invalid.stdout]).toEqual([78, ""]);
  expect(invalid.stderr).toContain("--port must be a whole number");
});

test("a wrong value of a setting with few values is a fault of the settings, not of the command line", async () => {
  expect((await runCommand(["config", "check", "--log-level", "loud"])).code).toBe(78);
});

/** The line of the completion script of a shell that begins so. */
const lineOf = async (shell: string, start: string) =>
  (await runCommand(["completion", shell])).stdout.split("\n").find((line) => line.trimStart().startsWith(start)) ?? "";

test("the completion scripts have commands, arguments, flags that are not secrets, and their values", async () => {
  expect(await lineOf("bash", "1:*)")).toContain(
    'words="serve probe batch health token config openapi completion version',
  );
  expect(await lineOf("bash", "config)")).toBe('    config) words="print check" ;;');
  expect(await lineOf("bash", "--auth)")).toBe('    --auth) words="tokens none" ;;');
  expect(await lineOf("bash", "serve)")).toContain(" --max-bytes ");
  expect(await lineOf("bash", "serve)")).not.toContain("--tokens");
  expect(await lineOf("zsh", "--auth)")).toBe("    --auth) choices=('tokens' 'none') ;;");
  expect(await lineOf("zsh", "completion)")).toContain("choices=('bash:' 'zsh:' 'fish:'");
  const fish = (await runCommand(["completion", "fish"])).stdout;
  expect(fish).toContain("complete -c media-oracle -n __fish_use_subcommand -f -a probe -d 'look up URLs and files");
  expect(fish).toMatch(/ '__fish_seen_subcommand_from serve' -l auth -d '.*' -x -a 'tokens none'$/m);
  expect(fish).toMatch(/ '__fish_seen_subcommand_from config' -f -a check -d ''$/m);
  expect(await lineOf("bash", "probe)")).toContain("--json");
});

test("health asks the address of its flags", async () => {
  const paths: unknown[] = [];
  const server = await startOrigin(onTestFinished, ({ url }, response) => {
    paths.push(url);
    response.end("fine");
  });
  const { port } = new URL(server.url(""));
  expect(await runCommand(["health", "--port", port, "--host", "127.0.0.1", "--queue", "5"])).toEqual({
    code: 0,
    stdout: "fine\n",
    stderr: "",
  });
  expect(paths).toEqual(["/readyz"]);
});

test("version --server prints the version of a service for people or as JSON, with the token", async () => {
  const version = { version: "9.8.7", commit: null, node: "20.1.0", libvips: "8.1.2", formats: ["png", "a\u001b[2Jb"] };
  const tokens: unknown[] = [];
  const service = await startOrigin(onTestFinished, ({ headers, url }, response) => {
    tokens.push(headers.authorization);
    if (url === "/oracle/version") response.setHeader("content-type", "application/json").end(JSON.stringify(version));
    else response.writeHead(url === "/locked/version" ? 401 : 404).end("{}");
  });
  const run = (path: string, ...args: string[]) =>
    runCommand(["version", "--server", service.url(path), ...args], { MEDIA_ORACLE_TOKEN: "open-sesame" });
  expect(await run("/oracle")).toEqual({
    code: 0,
    stdout: "version  9.8.7\ncommit   unknown\nnode     20.1.0\nlibvips  8.1.2\nformats  png, a[2Jb\n",
    stderr: "",
  });
  expect(JSON.parse((await run("/oracle//", "--json")).stdout)).toEqual(version);
  expect(new Set(tokens)).toEqual(new Set(["Bearer open-sesame"]));
  const locked = await run("/locked");
  expect([locked.code, locked.stderr]).toEqual([
    69,
    `media-oracle: ${service.url("/locked/version")} responded with 401: set its token as MEDIA_ORACLE_TOKEN\n`,
  ]);
  expect((await run("/")).stderr).toBe(`media-oracle: ${service.url("/version")} responded with 404\n`);
  expect(await runCommand(["version", "--server", "http://127.0.0.1:9"])).toMatchObject({
    code: 69,
    stderr: "media-oracle: no version at http://127.0.0.1:9/version: is it a media-oracle, and running?\n",
  });
});
