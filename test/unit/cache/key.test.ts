import { expect, test } from "vitest";
import { createKeys } from "../../../src/cache/key.ts";
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
