import { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { pino } from "pino";
import { expect, test } from "vitest";
import { usefulUntil, type Success } from "../../src/cache/entry.ts";
import { saveEveryMs } from "../../src/cache/open-snapshot.ts";
import { redisLimits } from "../../src/cache/redis.ts";
import { lockLimits } from "../../src/cache/redis-store.ts";
import { parseConfig, settingsHelp } from "../../src/config.ts";
import { OracleError } from "../../src/domain/errors.ts";
import { unknownMetadata } from "../../src/domain/metadata.ts";
import { partialTtlMs } from "../../src/fetch/partial-bodies.ts";
import { createLookupLog } from "../../src/http/log.ts";
import { windowMs } from "../../src/http/rate-limit.ts";
import { read } from "../support/deploy.ts";
import { targetOf } from "../support/targets.ts";

const text = read("docs/privacy.md");
const machine = { version: "1.2.3", processors: 2, memoryBytes: 2 ** 33, readFile: () => "" };

/** Returns the text of a section, without its heading. */
function sectionOf(heading: string): string {
  return text.split(`\n## ${heading}\n`)[1]!.split("\n## ")[0]!;
}

const quotedIn = (section: string) => new Set(Array.from(section.matchAll(/`([^`\n]+)`/g), ([, word]) => word!));

test.each(["docs/privacy.md", "docs/upgrading.md"])("every setting that %s names exists", (file) => {
  const known = settingsHelp(machine).map(({ variable }) => variable);
  const named = Array.from(read(file).matchAll(/MEDIA_ORACLE_[A-Z_]+/g), ([name]) => name);
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
});

test("every option of the Prosody modules that docs/privacy.md names exists", () => {
  const options = read("prosody/mod_muc_media_metadata/README.md");
  const named = Array.from(text.matchAll(/`(muc_media_metadata_\w+)/g), ([, name]) => name!);
  expect(named.length).toBeGreaterThan(2);
  for (const name of named) expect(options).toContain(`| \`${name}\``);
});

test("docs/privacy.md has the longest time that an entry stays in the cache file and in Redis", () => {
  const { FRESH_MAX_MS } = parseConfig({}, {}, machine);
  const freshUntil = 1.1 * FRESH_MAX_MS; // with the most jitter
  const validators = { etag: '"a"', lastModified: null, urlHash: "0".repeat(64) };
  const metadata = { ...unknownMetadata, type: "image/png", warnings: [] };
  const success: Success = {
    metadata,
    fields: null,
    since: 0,
    freshUntil,
    staleUntil: freshUntil,
    staleOnErrorUntil: freshUntil,
    validators,
  };
  const days = (usefulUntil({ success, setback: null }) / 86_400_000).toFixed(1);
  expect(sectionOf("The cache file")).toContain(`at most ${days} days`);
  expect(sectionOf("Redis")).toContain(`at most ${days} days`);
});

test("the times of locks, rate limits, partial bodies and savings in docs/privacy.md are those of the code", () => {
  const redis = sectionOf("Redis");
  for (const [key, ms] of Object.entries({ mutex: lockLimits.lockMs, count: windowMs })) {
    const row = redis.split("\n").find((line) => line.startsWith(`| \`${redisLimits.keyPrefix}${key}:*\``));
    expect(row).toMatch(new RegExp(`\\| ${ms / 1000} seconds\\b`));
  }
  expect(sectionOf("Memory of the service")).toContain(`used for ${partialTtlMs / 60_000} minutes at most`);
  expect(sectionOf("The cache file")).toContain(`every ${saveEveryMs / 60_000} minutes`);
});

test("docs/privacy.md names every field of the log lines of lookups", async () => {
  const lines: object[] = [];
  const logger = pino({ level: "debug", base: null }, { write: (line) => void lines.push(JSON.parse(line) as object) });
  const log = createLookupLog(logger, () => "192.0.2.1");
  const target = targetOf("https://upload.example.org/a.jpg");
  const client = { id: "request-1", client: null };
  const description = { cached: "hit", timings: {}, decodeTimeoutCause: "time_limit" } as const;
  const metadata = { ...unknownMetadata, type: "image/png", warnings: [] };
  const refusal = { host: "nas.lan", rule: "host_private" };
  const error = new OracleError("source_unreachable", "", {
    reason: "tls",
    tlsError: "CERT",
    upstreamStatus: 403,
    refusal,
  });
  log.answered(client, target, description as never, { metadata, partial: false }, 0);
  log.failed(client, target, description as never, error, 0);
  log.refused({ ...client, headers: {}, socket: new Socket() }, error);
  log.broken(client, new Error("a bug"));
  await nextTurn();
  expect(lines).toHaveLength(4);
  const fields = new Set(lines.flatMap((line) => Object.keys(line)));
  for (const own of ["level", "time", "msg"]) fields.delete(own); // of every line
  const named = quotedIn(sectionOf("Logs"));
  expect([...fields].filter((field) => !named.has(field))).toEqual([]);
});

test("docs/privacy.md names every attribute of spans", () => {
  const attributes = Array.from(
    read("src/tracing.ts").matchAll(/"(media_oracle\.\w+|error\.type)"/g),
    ([, name]) => name!,
  );
  expect(attributes.length).toBeGreaterThan(4);
  const named = quotedIn(sectionOf("Metrics and traces"));
  expect(attributes.filter((name) => !named.has(name))).toEqual([]);
});
