import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startOrigin } from "../../support/origin.ts";
import { runCommand } from "../../support/run-command.ts";

/** Looks up the lines of a file with a fake service, which returns what the test says for each URL. */
async function batch(
  lines: string,
  answer: (url: string) => { status: number; body: object } | "reset",
  args: readonly string[] = [],
) {
  const folder = await mkdtemp(join(tmpdir(), "media-oracle-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const [input, output] = [join(folder, "urls"), join(folder, "answers")];
  await writeFile(input, lines);
  const asked: string[] = [];
  const service = await startOrigin(onTestFinished, (request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => (text += part));
    request.on("end", () => {
      const { url } = JSON.parse(text) as { url: string };
      asked.push(url);
      const found = answer(url);
      if (found === "reset") return void request.socket.destroy();
      const type = found.status === 200 ? "application/json" : "application/problem+json";
      response.writeHead(found.status, { "content-type": type }).end(JSON.stringify(found.body));
    });
  });
  const command = ["batch", input, "--server", service.url(""), "--concurrency", "1", "--output", output, ...args];
  const { code, stdout, stderr } = await runCommand(command);
  const written = await readFile(output, "utf8");
  const items = written.split("\n").filter(Boolean);
  return { code, stdout, stderr, asked, items: items.map((item) => JSON.parse(item) as unknown) };
}

const found = (url: string) => ({ status: 200, body: { url, partial: false } });
const gone = { status: 502, body: { title: "No", code: "source_status", retryable: false } };

test("each line has a result with its number; empty lines have none, and are not counted", async () => {
  const { code, stdout, stderr, asked, items } = await batch('a\n\n  \n"b"\n{"url":"c"}\n{"id":5}\n', found);
  expect([code, stdout, asked]).toEqual([0, "", ["a", "b", "c", '{"id":5}']]);
  expect(items).toEqual(
    asked.map((url, index) => ({ index, url, metadata: expect.objectContaining({ url, partial: false }) as unknown })),
  );
  expect(stderr).toMatch(/^4 looked up in .*, 0 failed\n$/);
});

test("one failure among the results exits with 1, and is counted", async () => {
  const { code, stderr, items } = await batch("a\nb\n", (url) => (url === "a" ? gone : found(url)));
  expect(code).toBe(1);
  expect(items).toMatchObject([
    { index: 0, problem: { code: "source_status" } },
    { index: 1, metadata: { url: "b" } },
  ]);
  expect(stderr).toMatch(/^2 looked up in .*, 1 failed\n$/);
});

test("a service that has never answered is asked once, and exits with 69", async () => {
  const { code, asked, items } = await batch("a\nb\n", () => "reset");
  expect([code, asked, items]).toEqual([69, ["a"], []]);
});

test("an input that is a folder or does not exist is an error of usage", async () => {
  expect(await runCommand(["batch", tmpdir()])).toMatchObject({
    code: 2,
    stderr: `media-oracle: ${tmpdir()} is a folder, not a file\n`,
  });
  expect(await runCommand(["batch", "/no/such/file"])).toMatchObject({
    code: 2,
    stderr: "media-oracle: file not found: /no/such/file\n",
  });
});
