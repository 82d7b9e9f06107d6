import { pino } from "pino";
import { expect, test, vi } from "vitest";
import { type Description, startDescription, withCacheResult } from "../../../src/domain/description.ts";
import { OracleError } from "../../../src/domain/errors.ts";
import { unknownMetadata } from "../../../src/domain/metadata.ts";
import { createLookupLog } from "../../../src/http/log.ts";
import { targetOf } from "../../support/targets.ts";

const target = targetOf("https://upload.example.org/secret/a.jpg");
const answer = { metadata: { ...unknownMetadata, warnings: ["body_timeout"] as const }, partial: true };
const debug = 20;
const info = 30;
const error = 50;

/** Creates a log whose lines the test reads, at a fixed time of 1000 ms; the peer of each request has one address. */
function openLog(level = "debug") {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>);
  const log = createLookupLog(pino({ level, base: null, timestamp: false }, { write }), () => "192.0.2.1");
  return { log, lines };
}

const anonymous = { id: "a-request", client: null };
const named = { id: "a-request", client: { name: "chat.example.org", account: "name chat.example.org" } };
const peer = { headers: {}, socket: {} as never };
const written = () => new Promise((resolve) => setImmediate(resolve));

function descriptionWith(cached: Description["cached"]): Description {
  const lookup = startDescription((progress) => {
    progress.addTime("fetch", 20.126);
    return Promise.resolve(unknownMetadata);
  });
  return withCacheResult(lookup, () => cached);
}

test("the line of an answered lookup has its client, cache result, time, stages, warnings and whether it is partial", async ({
  onTestFinished,
}) => {
  const clock = vi.spyOn(performance, "now").mockReturnValue(1000);
  onTestFinished(() => clock.mockRestore());
  const { log, lines } = openLog();
  log.answered(named, target, descriptionWith("miss"), answer, 899.6);
  await written();
  expect(lines).toEqual([
    {
      level: info,
      requestId: "a-request",
      client: "chat.example.org",
      host: "upload.example.org",
      urlHash: expect.stringMatching(/^[0-9a-f]{16}$/),
      cached: "miss",
      ms: 100,
      timings: { fetch: 20.13 },
      partial: true,
      warnings: ["body_timeout"],
      msg: "described",
    },
  ]);
});

test("the line of a failed lookup has its code, its cause, the status of the origin and a refused host", ({
  onTestFinished,
}) => {
  const clock = vi.spyOn(performance, "now").mockReturnValue(1000);
  onTestFinished(() => clock.mockRestore());
  const { log, lines } = openLog();
  const details = { reason: "redirect", upstreamStatus: 302, refusal: { host: "nas.lan", rule: "a rule" } } as const;
  log.failed(anonymous, target, descriptionWith("stale"), new OracleError("source_unreachable", "", details), 0);
  log.failed(anonymous, target, null, new OracleError("overloaded", ""), 0);
  const common = {
    level: info,
    requestId: "a-request",
    client: "anonymous",
    host: "upload.example.org",
    urlHash: expect.stringMatching(/^[0-9a-f]{16}$/) as unknown,
    ms: 1000,
    msg: "not described",
  };
  expect(lines).toEqual([
    {
      ...common,
      cached: "stale",
      timings: { fetch: 20.13 },
      code: "source_unreachable",
      reason: "redirect",
      upstreamStatus: 302,
      refusedHost: "nas.lan",
      rule: "a rule",
    },
    { ...common, code: "overloaded" },
  ]);
  expect(lines[0]!.urlHash).toBe(lines[1]!.urlHash);
});

test("hits and cached failures are logged at debug level, and all other lookups at info level", async () => {
  const { log, lines } = openLog();
  const failure = new OracleError("source_status", "");
  for (const cached of ["hit", "stale", "miss", "collapsed", "revalidated"] as const) {
    log.answered(anonymous, target, descriptionWith(cached), answer, 0);
    log.failed(anonymous, target, descriptionWith(cached), failure, 0);
  }
  await written();
  const levelsOf = (message: string) => lines.filter(({ msg }) => msg === message).map(({ level }) => level);
  expect(levelsOf("described")).toEqual([debug, info, info, info, info]);
  expect(levelsOf("not described")).toEqual([debug, info, info, info, info]);
});

test("below its level a line is not written", async () => {
  const { log, lines } = openLog("warn");
  log.answered(anonymous, target, descriptionWith("miss"), answer, 0);
  log.failed(anonymous, target, descriptionWith("miss"), new OracleError("overloaded", ""), 0);
  log.refused({ ...anonymous, ...peer }, new OracleError("url_invalid", ""));
  await written();
  expect(lines).toEqual([]);
});

test("the line of a refused request has the address of its client only if no token names it", () => {
  const { log, lines } = openLog();
  const refusal = { host: "nas.lan", rule: "a private name" };
  log.refused({ ...anonymous, ...peer }, new OracleError("url_unsupported", "", { refusal }));
  log.refused({ ...named, ...peer }, new OracleError("rate_limited", ""));
  const line = { level: info, requestId: "a-request", msg: "refused" };
  expect(lines).toEqual([
    { ...line, client: "anonymous", address: "192.0.2.1", code: "url_unsupported", ...refusal },
    { ...line, client: "chat.example.org", code: "rate_limited" },
  ]);
});

test("the line of a bug has the name of its error, and no message", () => {
  const { log, lines } = openLog();
  log.broken(anonymous, new TypeError("secret"));
  expect(lines).toEqual([
    expect.objectContaining({ level: error, requestId: "a-request", code: "internal", msg: "unexpected error" }),
  ]);
  expect(JSON.stringify(lines)).toContain("TypeError");
  expect(JSON.stringify(lines)).not.toContain("secret");
});

test("another process has other hashes of the same URL", async () => {
  const [one, other] = [openLog(), openLog()];
  for (const { log } of [one, other]) log.answered(anonymous, target, descriptionWith("miss"), answer, 0);
  await written();
  expect(one.lines[0]!.urlHash).not.toBe(other.lines[0]!.urlHash);
});
