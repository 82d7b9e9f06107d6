import { expect, test } from "vitest";
import { createBrowserGuard, type GuardedHeaders } from "../../../src/http/browser-guard.ts";

const host = "127.0.0.1:8080";

test.for<[name: string, headers: GuardedHeaders, isRefused: boolean]>([
  ["a program", { host }, false],
  ["a client without Host", {}, false],
  ["the address bar", { host, "sec-fetch-site": "none" }, false],
  ["the service's own page", { host, "sec-fetch-site": "same-origin", origin: `http://${host}` }, false],
  [
    "the page of a service behind a proxy with TLS",
    { host, "sec-fetch-site": "same-origin", origin: "https://a" },
    false,
  ],
  ["an own page whose browser sends no Sec-Fetch-Site", { host, origin: `http://${host}` }, false],
  ["an own page at the default port", { host: "localhost", origin: "http://localhost" }, false],
  ["an own page, and a Host in capitals", { host: "LOCALHOST:80", origin: "http://localhost:80" }, false],
  ["a page of another site", { host, "sec-fetch-site": "cross-site" }, true],
  ["a page of another port of this machine", { host, "sec-fetch-site": "same-site" }, true],
  ["a value of Sec-Fetch-Site that no browser sends", { host, "sec-fetch-site": "same-origin, cross-site" }, true],
  ["an empty Sec-Fetch-Site", { host, "sec-fetch-site": "" }, true],
  ["another origin", { host, origin: "https://evil.example" }, true],
  ["another port", { host, origin: "http://127.0.0.1:8081" }, true],
  ["another scheme", { host, origin: `https://${host}` }, true],
  ["another origin, by the address bar", { host, "sec-fetch-site": "none", origin: "https://evil.example" }, true],
  ["a sandboxed page", { host, origin: "null" }, true],
  ["an Origin without Host", { origin: "http://" + host }, true],
])("the browser guard rejects a request from %s: %s", ([, headers, isRefused]) => {
  expect(createBrowserGuard({ hostnames: [], corsOrigins: [] })(headers)).toBe(isRefused);
  expect(createBrowserGuard({ hostnames: null, corsOrigins: [] })(headers)).toBe(isRefused);
});

test.for<[host: string, isRefused: boolean]>([
  ["localhost", false],
  ["localhost:8080", false],
  ["LocalHost:8080", false],
  ["127.0.0.1", false],
  ["192.0.2.7:80", false],
  ["[::1]:8080", false],
  ["[::ffff:192.0.2.7]", false],
  ["[2001:db8:0:0:0:0:0:1]:80", false],
  ["[2001:db8::1]", false],
  ["media.example.org", false],
  ["MEDIA.example.org:443", false],
  ["", false],
  ["rebind.example:8080", true],
  ["example.org", true],
  ["x.media.example.org", true],
  ["localhost.evil.example", true],
  ["127.0.0.1.evil.example:8080", true],
  ["127.0.0.1:8080.evil.example", true],
  ["[evil.example]", true],
  ["[::1", true],
  ["a:b", true],
  [":8080", true],
])("the browser guard rejects the Host %j on loopback: %s", ([host, isRefused]) => {
  expect(createBrowserGuard({ hostnames: ["media.example.org"], corsOrigins: [] })({ host })).toBe(isRefused);
  expect(createBrowserGuard({ hostnames: null, corsOrigins: [] })({ host })).toBe(false);
});

const listed = "https://chat.example.org";

test.for<[name: string, corsOrigins: readonly string[], headers: GuardedHeaders, isRefused: boolean]>([
  ["a listed origin", [listed], { host, origin: listed, "sec-fetch-site": "cross-site" }, false],
  ["another origin", [listed], { host, origin: "https://evil.example", "sec-fetch-site": "cross-site" }, true],
  ["a longer origin", [listed], { host, origin: `${listed}.evil.example`, "sec-fetch-site": "cross-site" }, true],
  ["the same name with another scheme", [listed], { host, origin: "http://chat.example.org" }, true],
  ["an image of any page", [listed], { host, "sec-fetch-site": "cross-site" }, true],
  ["an image of any page, with *", ["*"], { host, "sec-fetch-site": "cross-site" }, true],
  ["any origin, with *", ["*"], { host, origin: "https://any.example", "sec-fetch-site": "cross-site" }, false],
  ["a listed origin with a rebound Host", ["*", listed], { host: "rebind.example", origin: listed }, true],
])("with CORS, the browser guard rejects a request from %s: %s %o %s", ([, corsOrigins, headers, isRefused]) => {
  expect(createBrowserGuard({ hostnames: [], corsOrigins })(headers)).toBe(isRefused);
});
