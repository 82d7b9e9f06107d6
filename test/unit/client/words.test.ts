import { expect, test } from "vitest";
import { adviceFor, explainCacheStatus, explainProblem, formatBytes } from "../../../src/client/words.ts";

test.each([
  [0, "0 bytes"],
  [1, "1 bytes"],
  [999, "999 bytes"],
  [1000, "1 kB"],
  [15_690, "15.7 kB"],
  [999_499, "999 kB"],
  [1_000_000, "1 MB"],
  [3_032_449, "3.03 MB"],
  [1_000_000_000, "1 GB"],
  [2_500_000_000_000, "2500 GB"],
])("a size of %d bytes is written as %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

const deadlink = { title: "The origin responded with an error status", code: "source_status" } as const;

test("a failure is explained by its title and the advice for its code", () => {
  expect(explainProblem({ title: "Too many redirects", code: "source_redirects" })).toBe(
    "Too many redirects. The redirects form a loop, or there are too many.",
  );
});

test("an error status of the origin is named, with advice of its own if it is a common one", () => {
  expect(explainProblem({ ...deadlink, upstreamStatus: 418 })).toBe(
    `${deadlink.title} (status 418). The file may be missing or need a login: open the URL in a private browser window.`,
  );
  expect(explainProblem({ ...deadlink, upstreamStatus: 404 })).toBe(
    `${deadlink.title} (status 404). Its host has no file at this URL: it may be deleted or expired, or the URL is incomplete.`,
  );
});

test.each([
  [401, "wants a login"],
  [403, "refuses to send the file"],
  [404, "has no file at this URL"],
  [410, "has deleted the file"],
  [429, "limits requests"],
  [503, "is overloaded or in maintenance"],
])("the advice for the origin's status %d says that its host %s", (upstreamStatus, words) => {
  expect(adviceFor({ ...deadlink, upstreamStatus })).toContain(`Its host ${words}`);
});

test("the detail of the service replaces the advice", () => {
  expect(adviceFor({ code: "url_invalid", detail: "The URL is empty." })).toBe("The URL is empty.");
  expect(adviceFor({ ...deadlink, upstreamStatus: 404, detail: "Gone." })).toBe("Gone.");
});

test("a failure code of a newer service has the title alone", () => {
  const { title } = deadlink;
  expect(explainProblem({ title, code: "new_code" as "internal" })).toBe(`${title}.`);
});

test.each([
  ["media-oracle; hit; ttl=60", "hit, served from the cache without a request to the host"],
  ["media-oracle; hit; ttl=-5; detail=stale", "stale, served from the cache: its refresh is in progress or has failed"],
  ["media-oracle; fwd=miss", "miss, looked up just now"],
  ["media-oracle; fwd=miss; collapsed", "coalesced, one lookup for several concurrent callers"],
  [
    "media-oracle; fwd=stale; fwd-status=304",
    "revalidated, the host has confirmed the cached metadata (304 Not Modified)",
  ],
  ["", "unknown"],
])("the Cache-Status %j is explained as %j", (header, words) => {
  expect(explainCacheStatus(header)).toBe(words);
});
