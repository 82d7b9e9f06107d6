import type { Socket } from "node:net";
import { expect, test, type TestContext } from "vitest";
import { createFetcher } from "../../support/fetch.ts";
import { type Origin, startRawOrigin } from "../../support/origin.ts";

interface Redirector {
  readonly origin: Origin;
  /** `Host` and path of each request after the redirect. */
  readonly followed: readonly string[];
}

const utf8 = (text: string) => Buffer.from(text).toString("latin1");

/** Starts an origin that answers `/start` with these `Location` lines as bytes, and everything else with 200. */
async function startRedirector(
  onTestFinished: TestContext["onTestFinished"],
  locations: readonly string[],
): Promise<Redirector> {
  const followed: string[] = [];
  const origin: Origin = await startRawOrigin(onTestFinished, (socket: Socket) => {
    socket.once("data", (bytes) => {
      const [, path = "", host = ""] = /^GET (\S+) [^]*\r\nhost: (\S+)\r\n/i.exec(bytes.toString("latin1")) ?? [];
      if (path !== "/d/start") followed.push(host.replace(`:${origin.port}`, "") + path);
      const lines = locations.map((location) => `Location: ${location.replaceAll("PORT", String(origin.port))}\r\n`);
      const head = path === "/d/start" ? `302 Found\r\n${lines.join("")}` : "200 OK\r\n";
      socket.end(Buffer.from(`HTTP/1.1 ${head}Content-Length: 0\r\n\r\n`, "latin1"));
    });
  });
  return { origin, followed };
}

const long = `/${"a".repeat(8000)}`;

test.for([
  // Spaces
  [["/a b.png"], "127.0.0.1/a%20b.png"],
  [["a b/c  d.png?e f"], "127.0.0.1/d/a%20b/c%20%20d.png?e%20f"],
  [["?a b"], "127.0.0.1/d/start?a%20b"],
  [["http://127.0.0.1:PORT/a b?c d#e f"], "127.0.0.1/a%20b?c%20d"],
  [["//127.0.0.1:PORT/a b"], "127.0.0.1/a%20b"],
  [[" \t/a\t "], "127.0.0.1/a"],
  [["/ /a"], "127.0.0.1/%20/a"],
  // Bytes
  [[utf8("/ü")], "127.0.0.1/%C3%BC"],
  [[utf8("/voilà")], "127.0.0.1/voil%C3%A0"],
  [["/\xfc"], "127.0.0.1/%FC"],
  [["http://127.0.0.1:PORT/\xfc?\xfc"], "127.0.0.1/%FC?%FC"],
  // Equal lines
  [["/a", "/a"], "127.0.0.1/a"],
  [["/a", " /a ", "/a\t"], "127.0.0.1/a"],
  // International names
  [[utf8("http://münchen.example.net:PORT/ü")], "xn--mnchen-3ya.example.net/%C3%BC"],
  [[utf8("//MÜNCHEN.example.net:PORT")], "xn--mnchen-3ya.example.net/"],
  [["http://m%C3%BCnchen.example.net:PORT/"], "xn--mnchen-3ya.example.net/"],
  [["//m%c3%bcnchen.example.net:PORT/a%C3%BC"], "xn--mnchen-3ya.example.net/a%C3%BC"],
  [[utf8("http://❤\ufe0f.example.net:PORT/")], "xn--qei.example.net/"],
  [[utf8("http://例え。example。net:PORT/")], "xn--r8jz45g.example.net/"],
  // Length
  [[long], `127.0.0.1${long}`],
] as const)("the redirect to %j is followed to %s", async ([locations, expected], { onTestFinished }) => {
  const { origin, followed } = await startRedirector(onTestFinished, locations);
  expect(await createFetcher().outcome(origin.url("/d/start"))).toBe("ok");
  expect(followed).toEqual([expected]);
});

test.for([
  // Programs differ in which line they follow
  [["/a", "/b"], "two locations"],
  [["/a", "/a", "/b"], "two locations"],
  [["/a", "/A"], "two locations"],
  // The WHATWG parser reads a host or another path
  [["/\\evil.example.net/"], "a backslash is a slash to some parsers"],
  [["http://127.0.0.1:PORT\\@evil.example.net/"], "a backslash ends the host for some parsers"],
  [["/a\\b"], "a backslash in the path"],
  [["/a\tb"], "some parsers remove tabs"],
  [["/\t/evil.example.net/"], "without the tab it is a host"],
  [["http://127.0.0.1:PORT/a\tb"], "some parsers remove tabs"],
  // Spaces in the host
  [["http://127.0.0.1 :PORT/"], "a space in the host"],
  [["http:// 127.0.0.1:PORT/"], "a space in the host"],
  [["// 127.0.0.1:PORT/"], "a space in the host"],
  [["http: //127.0.0.1:PORT/"], "a space before the host"],
  [["http://127.0.0.1:PORT /"], "a space in the port"],
  // Names: the decoded host is checked like any other
  [["http://%31%32%37.0.0.1:PORT/"], "percent-encoded ASCII hides an address"],
  [["http://127%2e0.0.1:PORT/"], "percent-encoded ASCII hides an address"],
  [["http://example%2Enet:PORT/"], "percent-encoded ASCII hides a name"],
  [["http://user%40example.net:PORT/"], "percent-encoded ASCII hides a delimiter"],
  [[utf8("http://１27.0.0.1:PORT/")], "full-width digits hide an address"],
  [["http://%EF%BC%9127.0.0.1:PORT/"], "percent-encoded full-width digits hide an address"],
  [["http://127%E3%80%820%E3%80%820%E3%80%821:PORT/"], "full stops of other scripts hide an address"],
  [[utf8("http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/")], "circled letters hide a private name"],
  [[utf8("http://ｌｏｃａｌｈｏｓｔ:PORT/")], "full-width letters hide a private name"],
  [[utf8("http://user＠example.net:PORT/")], "a full-width delimiter"],
  [["http://example.net%EF%BC%8Fa:PORT/"], "a percent-encoded full-width delimiter"],
  [[utf8("http://exam\u200bple.net:PORT/")], "an invisible character"],
  [["http://exam%C2%ADple.net:PORT/"], "a percent-encoded invisible character"],
  [["http://%EF%BB%BFexample.net:PORT/"], "a byte order mark"],
  [["http://m\xfcnchen.example.net:PORT/"], "a host in Latin-1"],
  [["http://m%FCnchen.example.net:PORT/"], "a percent-encoded host in Latin-1"],
  [["http://%C0%AE.example.net:PORT/"], "overlong UTF-8"],
  [["http://%C2%85example.net:PORT/"], "a control character after decoding"],
  [[`/${"a".repeat(8192)}`], "too long"],
] as const)("the redirect to %j is not followed: %s", async ([locations], { onTestFinished }) => {
  const { origin, followed } = await startRedirector(onTestFinished, locations);
  const expected = locations.length > 1 ? "source_protocol" : "source_unreachable redirect";
  expect(await createFetcher().outcome(origin.url("/d/start"))).toBe(expected);
  expect(followed).toEqual([]);
  expect(origin.connections).toBe(1);
});

test("a redirect to an international name is refused if its address is private or the name is denied", async ({
  onTestFinished,
}) => {
  const { origin, followed } = await startRedirector(onTestFinished, [utf8("http://münchen.example.net:PORT/")]);
  const start = origin.url("/d/start");
  const isPrivate = createFetcher({ allowAddresses: ["127.0.0.1/32"], addresses: ["10.0.0.1"] });
  expect(await isPrivate.outcome(start)).toBe("source_unreachable address");
  const isDenied = createFetcher({ allowHosts: ["127.0.0.1", "munchen.example.net"] });
  expect(await isDenied.outcome(start)).toBe("source_unreachable redirect");
  expect(followed).toEqual([]);
});
