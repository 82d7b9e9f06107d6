import { expect, test } from "vitest";
import { createKeys } from "../../../src/cache/key.ts";
import { createTargetParser, parsePortRange } from "../../../src/fetch/target.ts";
import { targetOf } from "../../support/targets.ts";

const target = targetOf("https://upload.example.org/secret/summit.jpg?token=secret");

test("a key holds no text of the URL, and is the same in all processes", () => {
  expect(createKeys({ formats: ["jpeg"] })(target)).toMatch(/^[\w-]{43}$/);
  expect(createKeys({ formats: ["jpeg"] })(targetOf(target.href))).toBe(createKeys({ formats: ["jpeg"] })(target));
});

test("keys of other settings or URLs differ", () => {
  const keys = [
    createKeys({ formats: ["jpeg"] })(target),
    createKeys({ formats: ["png"] })(target),
    createKeys({ formats: ["jpeg"] })(targetOf(`${target.href}2`)),
  ];
  expect(new Set(keys).size).toBe(3);
});

test("a URL has the same key in all spellings that are accepted", () => {
  const allowPorts = [parsePortRange("443")];
  const parse = createTargetParser({ allowPorts, extraPorts: [], allowHosts: [], denyHosts: [], rewrites: [] });
  const keyOf = createKeys({});
  const texts = ["https://a.example.org/b%20c", " https://a.example.org/b c\n", "HTTPS://Ａ。example.org:443/b%20c#d"];
  expect(new Set(texts.map((text) => keyOf(parse(text)))).size).toBe(1);
});
