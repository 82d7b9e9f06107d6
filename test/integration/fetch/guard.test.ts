import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { isIP, isIPv6, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { nat64TargetOf } from "../../../src/fetch/address.ts";
import { createResolver } from "../../../src/fetch/resolver.ts";
import { createFetcher, type FetcherOptions } from "../../support/fetch.ts";
import { startNameServer } from "../../support/name-server.ts";
import { startOrigin } from "../../support/origin.ts";
import { describeWith, requires } from "../../support/require.ts";
import { isPublicToOthers } from "../../support/second-opinion.ts";
import { readSsrfCases, type SsrfCase, ssrfCases } from "../../support/ssrf-cases.ts";

/** Counts all connections that this process begins: a listener on one address would not see the others. */
async function countingSockets<T>(work: () => Promise<T>): Promise<{ result: T; sockets: number }> {
  const sockets = new Set<Socket>();
  const count = (message: unknown) => void sockets.add((message as { socket: Socket }).socket);
  subscribe("net.client.socket", count);
  try {
    return { result: await work(), sockets: sockets.size };
  } finally {
    unsubscribe("net.client.socket", count);
  }
}

const cases = readSsrfCases();

/** The default settings: only public addresses, on ports 80 and 443. */
const plain: FetcherOptions = { allowAddresses: [], allowPorts: ["80", "443"] };

/** Creates a resolver that answers the first query with the first list, and so on. */
function answering(lists: readonly string[][]) {
  let questions = 0;
  return {
    get questions() {
      return questions;
    },
    resolve: () => Promise.resolve(lists[Math.min(questions++, lists.length - 1)] ?? []),
  };
}

describeWith(ssrfCases, "collected SSRF attempts", () => {
  const isForbiddenFirst = ({ resolves_seq }: SsrfCase) => resolves_seq?.[0]?.[0] !== "1.2.3.4";
  const blocked = cases.filter((each) => each.verdict === "block");

  test.each(blocked.filter(isForbiddenFirst))(
    "$url ($why) begins no connection",
    async ({ url, resolves, resolves_seq }) => {
      const { resolve } = answering(resolves_seq ?? [resolves ?? []]);
      const { result, sockets } = await countingSockets(() => createFetcher({ ...plain, resolve }).outcome(url));
      expect(result).toMatch(/^(url_invalid|url_unsupported|source_unreachable address)$/);
      expect(sockets).toBe(0);
    },
  );

  // A header cannot carry the other URLs as written.
  const carried = blocked.filter((each) => isForbiddenFirst(each) && /^[^\s\0][^\r\n\0]*$/.test(each.url));

  test.for(carried)(
    "a redirect to $url ($why) begins no connection",
    async ({ url, resolves, resolves_seq }, { onTestFinished }) => {
      const origin = await startOrigin(onTestFinished, (_request, response) => {
        response.writeHead(302, { Location: Buffer.from(url).toString("latin1") }).end();
      });
      const { outcome } = createFetcher({
        allowAddresses: [`127.0.0.1:${origin.port}`],
        allowPorts: ["80", "443"],
        resolve: answering(resolves_seq ?? [resolves ?? []]).resolve,
      });
      const { result, sockets } = await countingSockets(() => outcome(origin.url("/")));
      // A relative URL is a path on the origin itself, which redirects again.
      const isPath = !/^[a-z][a-z0-9+.-]*:/i.test(url);
      expect(result).toMatch(isPath ? /^source_redirects$/ : /^source_unreachable (redirect|address)$/);
      expect(sockets).toBe(origin.connections);
    },
  );

  test.each(blocked.filter((each) => !isForbiddenFirst(each)))(
    "$url is resolved only once",
    async ({ url, resolves_seq }) => {
      const answers = answering(resolves_seq ?? []);
      const { outcome } = createFetcher({ ...plain, resolve: answers.resolve, connectTimeoutMs: 300 });
      const { sockets } = await countingSockets(() => outcome(url));
      expect([answers.questions, sockets]).toEqual([1, 1]);
    },
  );

  test.each(cases.filter(({ verdict }) => verdict === "allow-syntax"))(
    "$url ($why) passes the SSRF guard and begins a connection",
    async ({ url, resolves }) => {
      const resolve = () => Promise.resolve(resolves ?? ["93.184.215.14"]);
      const { outcome } = createFetcher({ ...plain, resolve, connectTimeoutMs: 30 });
      const { result, sockets } = await countingSockets(() => outcome(url));
      expect(result).not.toMatch(/^url_|address$/);
      expect(sockets).toBeGreaterThan(0);
    },
  );
});

describe("the SSRF guard at the connection", () => {
  test("one forbidden address among good ones refuses the name, at any position", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end());
    for (const addresses of [
      ["127.0.0.1", "10.0.0.1"],
      ["10.0.0.1", "127.0.0.1"],
      ["127.0.0.1", "::ffff:127.0.0.1"],
      ["127.0.0.1", "fe80::1%eth0"],
      ["127.0.0.1", "not an address"],
      ["127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", "10.0.0.1"],
    ]) {
      const { outcome } = createFetcher({ addresses });
      expect(await outcome(`http://media.example.net:${origin.port}/`)).toBe("source_unreachable address");
    }
    expect(origin.connections).toBe(0);
  });

  test("DNS pinning: a name that changes its answer (DNS rebinding) is resolved only once", async ({
    onTestFinished,
  }) => {
    const good = await startOrigin(onTestFinished, (_request, response) => response.end(), { host: "127.0.0.2" });
    const answers = answering([["127.0.0.2"], ["127.0.0.1"]]);
    const { outcome } = createFetcher({ allowAddresses: ["127.0.0.2"], resolve: answers.resolve });
    expect(await outcome(`http://media.example.net:${good.port}/`)).toBe("ok");
    expect([answers.questions, good.connections]).toEqual([1, 1]);
    expect(await outcome(`http://media.example.net:${good.port}/`)).toBe("source_unreachable address");
    expect(good.connections).toBe(1);
  });

  test("a redirect to a name that changes its answer (DNS rebinding) is checked", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(302, { Location: "/again" }).end();
    });
    const { resolve } = answering([["127.0.0.1"], ["127.0.0.3"]]);
    const { outcome } = createFetcher({ allowAddresses: ["127.0.0.1"], resolve });
    expect(await outcome(`http://media.example.net:${origin.port}/`)).toBe("source_unreachable address");
    expect(origin.connections).toBe(1);
  });

  test("a rule with a port opens that port of that address, directly, by name and by redirect, and no other", async ({
    onTestFinished,
  }) => {
    const secret = await startOrigin(onTestFinished, (_request, response) => response.end("secret"));
    const allowed = await startOrigin(onTestFinished, (request, response) => {
      if (request.url === "/") response.end("ok");
      else response.writeHead(302, { Location: `http:/${request.url ?? ""}` }).end();
    });
    const { outcome } = createFetcher({ allowPorts: ["80"], allowAddresses: [`127.0.0.1:${allowed.port}`] });
    expect(await outcome(allowed.url("/"))).toBe("ok");
    expect(await outcome(secret.url("/"))).toBe("url_unsupported");
    expect(await outcome("http://127.0.0.1/")).toBe("source_unreachable address");
    expect(await outcome(`http://127.0.0.2:${allowed.port}/`)).toBe("source_unreachable address");
    expect(await outcome(`http://8.8.8.8:${allowed.port}/`)).toBe("source_unreachable address");
    expect(await outcome(allowed.url(`/127.0.0.1:${secret.port}`))).toBe("source_unreachable redirect");
    expect(await outcome(allowed.url(`/127.0.0.2:${allowed.port}`))).toBe("source_unreachable address");
    expect(await outcome(allowed.url("/127.0.0.1"))).toBe("source_unreachable address");
    expect(await outcome(allowed.url(`/media.example.net:${allowed.port}/..`))).toBe("ok");
    expect(secret.connections).toBe(0);
  });

  test("a denied address is not reached although a rule allows it", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end());
    const { outcome } = createFetcher({ denyAddresses: ["127.0.0.1"] });
    expect(await outcome(origin.url("/"))).toBe("source_unreachable address");
    expect(origin.connections).toBe(0);
  });

  test("a name with no address fails, and a name with a hundred causes few connections", async () => {
    const none = createFetcher({ addresses: [] });
    expect(await none.outcome("http://media.example.net/")).toBe("source_unreachable name");
    const many = createFetcher({ addresses: Array.from({ length: 100 }, (_, index) => `127.0.1.${index}`) });
    const { result, sockets } = await countingSockets(() => many.outcome("http://media.example.net:9/"));
    expect(result).toMatch(/^source_unreachable/);
    expect(sockets).toBeLessThanOrEqual(4);
  });

  test("an IPv6 literal passes the SSRF guard by the same rules", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(), { host: "::1" });
    expect(await createFetcher({ allowAddresses: [] }).outcome(origin.url("/"))).toBe("source_unreachable address");
    expect(origin.connections).toBe(0);
    expect(await createFetcher({ allowAddresses: [`[::1]:${origin.port}`] }).outcome(origin.url("/"))).toBe("ok");
  });
});

const plainHost = (host: string | null) => host?.replace(/^\[|\]$/g, "") ?? "";

/** Addresses that no URL may reach: a few of our own, and those of the collected attempts if present. */
const forbidden = new Set([
  ...["127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "169.254.169.254", "192.168.0.1", "255.255.255.255"],
  ...["::1", "::", "::ffff:127.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "fd00::1", "fe80::1"],
]);
for (const { verdict, whatwg_host, resolves = [], resolves_seq = [] } of cases) {
  if (verdict !== "block") continue;
  for (const address of [plainHost(whatwg_host), ...resolves, ...resolves_seq.flat()]) {
    // In a DNS answer, unlike in a URL, NAT64 of a public address is that address: nat64.test.ts.
    if (isIP(address) !== 0 && !isPublicToOthers(nat64TargetOf(address) ?? address)) forbidden.add(address);
  }
}

const reachesThisMachine = (address: string) => /^(127\.|0\.0\.0\.0$|::1?$|::ffff:127\.|::ffff:7f)/.test(address);

/** Starts an origin on all addresses of this machine, to detect a guard bypass; redirects to `to` in the query. */
function startTrap(onTestFinished: Parameters<typeof startOrigin>[0]) {
  return startOrigin(
    onTestFinished,
    (request, response) => {
      const location = new URL(request.url ?? "", "http://a").searchParams.get("to");
      if (location === null) response.end("reached");
      else response.writeHead(302, { Location: location }).end();
    },
    { host: "::" },
  );
}

describe("a forbidden address", () => {
  test.for([...forbidden])(
    "%s is not connected to by DNS, by a redirect, or by DNS rebinding",
    async (address, { onTestFinished }) => {
      const good = "127.0.0.2";
      const trap = await startTrap(onTestFinished);
      let changes = 0;
      const nameServer = await startNameServer(onTestFinished, (name, family) => {
        const isGoodFirst = name.startsWith("good") || (name.startsWith("changing") && changes++ < 2); // A and AAAA
        const answers = isGoodFirst ? [good] : name.startsWith("mixed") ? [good, address] : [address];
        return answers.filter((answer) => isIPv6(answer) === (family === "AAAA"));
      });
      const { outcome } = createFetcher({
        allowAddresses: [good],
        resolve: createResolver({ timeoutMs: 5000, servers: nameServer.servers }),
      });
      const at = (host: string, to?: string) =>
        `http://${host}:${trap.port}/${to === undefined ? "" : `?to=${encodeURIComponent(to)}`}`;
      const literal = isIPv6(address) ? `[${address}]` : address;
      const refused = "source_unreachable address";
      const { sockets } = await countingSockets(async () => {
        expect(await outcome(at("forbidden.example.net"))).toBe(refused);
        expect(await outcome(at("mixed.example.net"))).toBe(refused);
        expect(trap.connections).toBe(0);
        expect(await outcome(at("good.example.net"))).toBe("ok");
        expect(await outcome(at("good.example.net", at("forbidden.example.net")))).toBe(refused);
        expect(await outcome(at("good.example.net", at("mixed.example.net")))).toBe(refused);
        expect(await outcome(at("good.example.net", at(literal)))).toMatch(/^source_unreachable (address|redirect)$/);
        expect(await outcome(at("changing.example.net", at("changing.example.net")))).toBe(refused);
      });
      // Exactly one for each request to the good address.
      expect([trap.connections, sockets]).toEqual([5, 5]);
    },
  );

  const here = cases.filter(
    ({ verdict, url, whatwg_host, resolves = [] }) =>
      verdict === "block" &&
      /^https?:\/\/[^/?#]+/i.test(url) &&
      [plainHost(whatwg_host), ...resolves].some(reachesThisMachine),
  );

  test.skipIf(requires(ssrfCases.name, ssrfCases.isPresent))(
    "an address of this machine is not connected to in any of the collected spellings, on a listening port",
    async ({ onTestFinished }) => {
      const trap = await startTrap(onTestFinished);
      for (const { url, resolves } of here) {
        const [, start = "", rest = ""] = /^(https?:\/\/[^/?#]*?)(?::\d+)?([/?#].*)?$/is.exec(url) ?? [];
        const { outcome } = createFetcher({ allowAddresses: [], addresses: resolves ?? ["127.0.0.1"] });
        const { result, sockets } = await countingSockets(() => outcome(`${start}:${trap.port}${rest}`));
        expect([url, result]).toEqual([
          url,
          expect.stringMatching(/^(url_invalid|url_unsupported|source_unreachable address)$/),
        ]);
        expect([url, sockets]).toEqual([url, 0]);
      }
      expect(trap.connections).toBe(0);
    },
  );
});

describe("rewrites", () => {
  test("a rewrite fetches from the operator's own address, with the Host of the URL", async ({ onTestFinished }) => {
    let host = "";
    const origin = await startOrigin(onTestFinished, (request, response) => {
      host = request.headers.host ?? "";
      response.end(request.url);
    });
    const { open } = createFetcher({
      ...plain,
      rewrites: [`https://upload.example.net/files/=>${origin.url("/upload/")}`],
    });
    const source = await open("https://upload.example.net/files/a.png?b#c");
    expect(Buffer.from((await source.body()).bytes).toString()).toBe("/upload/a.png?b");
    expect(host).toBe("upload.example.net");
  });

  test("a rewrite resolves names in the hosts file of the machine", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end());
    const { outcome } = createFetcher({
      ...plain,
      resolveTrusted: (hostname) => Promise.resolve(hostname === "prosody" ? ["127.0.0.1"] : []),
      rewrites: [`https://upload.example.net/=>http://prosody:${origin.port}/`],
    });
    expect(await outcome("https://upload.example.net/a.png")).toBe("ok");
    expect(await outcome(`http://prosody:${origin.port}/a.png`)).toBe("url_unsupported");
  });

  test("a rewrite opens nothing else: no other path of the right side, not its address, no redirect to it", async ({
    onTestFinished,
  }) => {
    const paths: string[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      paths.push(request.url ?? "");
      const location = new URL(request.url ?? "", "http://a").searchParams.get("to");
      if (location === null) response.end();
      else response.writeHead(302, { Location: location }).end();
    });
    const { outcome } = createFetcher({
      ...plain,
      addresses: ["127.0.0.1"],
      rewrites: [`https://upload.example.net/files/=>${origin.url("/upload/")}`],
    });
    const start = "https://upload.example.net/files/a?to=";
    expect(await outcome(`${start}${encodeURIComponent(origin.url("/admin"))}`)).toBe("source_unreachable redirect");
    expect(await outcome(`${start}${encodeURIComponent("http://127.0.0.1/admin")}`)).toBe("source_unreachable address");
    expect(await outcome(`${start}/admin`)).toBe("source_unreachable address");
    expect(await outcome(`${start}..%252fadmin`)).toBe("source_unreachable redirect");
    expect(await outcome(`${start}b.png`)).toBe("ok");
    expect(await outcome("https://upload.example.net/admin")).toBe("source_unreachable address");
    expect(await outcome("https://upload.example.net/files/..%2fadmin")).toBe("url_unsupported");
    expect(paths.every((path) => path.startsWith("/upload/"))).toBe(true);
  });
});
