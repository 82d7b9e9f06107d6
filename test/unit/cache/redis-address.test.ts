import { expect, test } from "vitest";
import { parseRedisAddress } from "../../../src/cache/redis-address.ts";

const plain = { port: 6379, isTls: false, username: null, password: null, database: 0 };

test.for([
  ["redis://redis.example.org", { ...plain, host: "redis.example.org" }],
  ["redis://127.0.0.1:7000/", { ...plain, host: "127.0.0.1", port: 7000 }],
  ["redis://[::1]:7000/3", { ...plain, host: "::1", port: 7000, database: 3 }],
  ["rediss://:p%40ss@a.example.org", { ...plain, host: "a.example.org", isTls: true, password: "p@ss" }],
  ["redis://user:pass@a.example.org", { ...plain, host: "a.example.org", username: "user", password: "pass" }],
] as const)("%s is a valid Redis URL", ([text, address]) => {
  expect(parseRedisAddress(text)).toEqual(address);
});

test.for([
  ["http://:secret@127.0.0.1/", "redis://"],
  ["secret", "redis://"],
  ["redis:secret", "redis://"],
  ["redis://:secret@127.0.0.1/?family=6", "after ? or #"],
  ["redis://:secret@127.0.0.1/#1", "after ? or #"],
  ["redis://:secret@127.0.0.1/db", "database"],
  ["redis://:secret%zz@127.0.0.1", "percent-encoded"],
] as const)("%s is rejected with a message that does not repeat it", ([text, words]) => {
  expect(() => parseRedisAddress(text)).toThrow(words);
  expect(() => parseRedisAddress(text)).not.toThrow("secret");
});
