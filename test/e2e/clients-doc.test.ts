import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/require.ts";

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));
const executablePath = "/usr/bin/chromium";
const has = (program: string) => spawnSync(program, ["--version"]).status === 0;

function blocksOf(file: string, language: string): string[] {
  const blocks = readFileSync(join(docs, file), "utf8").matchAll(
    new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"),
  );
  return [...blocks].map(([, text = ""]) => text);
}

const messages = blocksOf("clients.md", "xml");
const picture = {
  ...{ url: "https://upload.example.com/a/summit.jpg", type: "image/jpeg", blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj" },
  ...{ bytes: 3032449, width: 4096, height: 2160 },
};
const voice = {
  ...{ url: "https://upload.example.com/b/message.m4a", type: "audio/mp4", blurhash: null },
  ...{ bytes: 120340, width: null, height: null },
};
const expected = [picture, picture, voice, picture, picture];

test("the documentation for client developers has five messages", () => {
  expect(messages).toHaveLength(expected.length);
});

test("the range of each reference begins behind the bytes of the body, and has one byte", () => {
  for (const message of messages) {
    const bytes = Buffer.byteLength(/<body>(.*?)<\/body>/.exec(message)![1]!);
    const ranges = [...message.matchAll(/begin="(\d+)" end="(\d+)"/g)].map(([, begin, end]) =>
      [begin, end].map(Number),
    );
    for (const range of ranges) expect(range).toEqual([bytes, bytes + 1]);
  }
});

describe.skipIf(requires("xmllint", has("xmllint")))("the schema of the metadata element", () => {
  const isValid = (element: string) => {
    const args = ["--noout", "--schema", join(docs, "media-metadata.xsd"), "-"];
    return spawnSync("xmllint", args, { input: element }).status === 0;
  };
  const elementsIn = (text: string) => text.match(/<metadata xmlns.*?<\/metadata>/gs) ?? [];

  test("accepts all elements in the documentation", () => {
    const elements = [...messages, ...blocksOf("protocol.md", "xml")].flatMap(elementsIn);
    expect(elements).toHaveLength(6);
    expect(elements.filter((element) => !isValid(element))).toEqual([]);
  });

  test.each([
    ["a size that is no number", "<bytes>many</bytes>"],
    ["a width of zero", "<width>0</width>"],
    ["a width above 31 bits", "<width>2147483648</width>"],
    ["a type with a parameter", "<type>image/png; q=1</type>"],
    ["a hash of another length", "<blurhash>LEHV6</blurhash>"],
    ["two types", "<type>image/png</type><type>image/png</type>"],
  ])("rejects %s", (_, content) => {
    expect(isValid(`<metadata xmlns="xmpp:prosody.im/protocol/media-metadata#0">${content}</metadata>`)).toBe(false);
  });
});

describe.skipIf(requires("chromium", existsSync(executablePath)))("the parser in JavaScript", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  });
  afterAll(() => browser.close());

  test("reads the five messages of the documentation", async () => {
    const page = await browser.newPage();
    const [parser] = blocksOf("clients.md", "js");
    const results = await page.evaluate(`{
      ${parser!}
      ${JSON.stringify(messages)}.map((text) => readMedia(new DOMParser().parseFromString(text, "application/xml").documentElement));
    }`);
    expect(results).toEqual(expected);
  });
});

test.skipIf(requires("python3", has("python3")))(
  "the parser in Python reads the five messages of the documentation",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
    const [parser] = blocksOf("clients.md", "python");
    const program = `import json, sys\nfrom xml.etree import ElementTree\n${parser!}\nfor text in json.load(sys.stdin):\n    print(json.dumps(read_media(ElementTree.fromstring(text))))\n`;
    try {
      writeFileSync(join(folder, "parser.py"), program);
      const { stdout, stderr } = spawnSync("python3", [join(folder, "parser.py")], {
        input: JSON.stringify(messages),
        encoding: "utf8",
      });
      expect(stderr).toBe("");
      expect(stdout.trim().split("\n").map((line) => JSON.parse(line) as unknown)).toEqual(expected); // prettier-ignore
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
