import { describe, expect, test } from "vitest";
import { createFetcher } from "../../support/fetch.ts";
import { startOrigin, startSpeakingOrigin, type Origin } from "../../support/origin.ts";

type OnTestFinished = Parameters<typeof startOrigin>[0];

/** Starts an origin that redirects to the `to` parameter, and responds with 200 without it. */
async function startRedirector(onTestFinished: OnTestFinished, status = 302): Promise<Origin> {
  return startOrigin(onTestFinished, (request, response) => {
    const location = new URL(request.url ?? "", "http://a").searchParams.get("to");
    if (location === null) response.end("arrived");
    else response.writeHead(status, { Location: Buffer.from(location).toString("latin1") }).end("never read");
  });
}

const to = (location: string) => `/?to=${encodeURIComponent(location)}`;

describe("redirects", () => {
  test.for([301, 302, 303, 307, 308])("a redirect with status %i is followed", async (status, { onTestFinished }) => {
    const origin = await startRedirector(onTestFinished, status);
    expect(await createFetcher().outcome(origin.url(to("/there")))).toBe("ok");
    expect(origin.connections).toBe(2);
    await origin.idle();
  });

  test.for(["/there", "there?a=b", "?a=b", "//HOST/there", "http://HOST/there", "HTTP://HOST/there", "./a/../b", "/ü"])(
    "a redirect to %s is resolved as in a browser",
    async (location, { onTestFinished }) => {
      const origin = await startRedirector(onTestFinished);
      const place = location.replace("HOST", `127.0.0.1:${origin.port}`);
      expect(await createFetcher().outcome(origin.url(to(place)))).toBe("ok");
    },
  );

  test("maxRedirects redirects are followed, and one more fails", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end();
      else response.writeHead(302, { Location: `/${left - 1}` }).end();
    });
    const { outcome } = createFetcher({ maxRedirects: 3 });
    expect(await outcome(origin.url("/3"))).toBe("ok");
    expect(await outcome(origin.url("/4"))).toBe("source_redirects");
    expect(origin.requests).toBe(8);
  });

  test("a redirect loop ends", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (request, response) => {
      response.writeHead(302, { Location: request.url === "/a" ? "/b" : "/a" }).end();
    });
    expect(await createFetcher().outcome(origin.url("/a"))).toBe("source_redirects");
    expect(origin.requests).toBe(6);
    await origin.idle();
  });

  test("a redirect with an endless body is followed without reading it", async ({ onTestFinished }) => {
    let sent = 0;
    const origin = await startSpeakingOrigin(onTestFinished, (socket) => {
      if (sent > 0) return void socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      socket.write("HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n");
      const pour = () => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536))) sent += 65_536;
      };
      socket.on("drain", pour);
      pour();
    });
    expect(await createFetcher().outcome(origin.url("/"))).toBe("ok");
    await origin.idle();
    expect(sent).toBeLessThan(20_000_000); // what the kernel's buffers hold
  });

  test.for([
    "ftp://a.example.org/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "http://user:secret@127.0.0.1/",
    "http:there",
    "http:/there",
    "http:///there",
    "http://",
    "http://2130706433/",
    "http://127.1/",
    "http://media.example.net:443/",
    "https://media.example.net:80/",
    "http://[::ffff:127.0.0.1]/",
    "http://localhost/",
    "http://metadata.google.internal/",
    "//localhost/",
    "//user@127.0.0.1/",
    "/\\evil.example.org/",
    "\\\\evil.example.org/",
    "http://127.0.0.1:99999/",
  ])("a redirect to %s is not followed, and the failure does not reveal why", async (location, { onTestFinished }) => {
    const origin = await startRedirector(onTestFinished);
    expect(await createFetcher().outcome(origin.url(to(location)))).toBe("source_unreachable redirect");
    expect(origin.connections).toBe(1);
    await origin.idle();
  });

  test.for([
    ["http://localhost/", { rule: "a private name that ALLOW_HOSTS does not name", host: "localhost" }],
    ["ftp://a.example.org/", { rule: "the scheme", host: null }],
  ] as const)(
    "a redirect to %s has the rule that refuses it, for the log",
    async ([location, refusal], { onTestFinished }) => {
      const origin = await startRedirector(onTestFinished);
      const opened = createFetcher().open(origin.url(to(location)));
      await expect(opened).rejects.toMatchObject({ code: "source_unreachable", reason: "redirect", refusal });
    },
  );

  test("a redirect with control characters in Location is a protocol error or not followed", async ({
    onTestFinished,
  }) => {
    for (const location of ["/a\tb", "/a\u0001b", "/a\u007fb", "/a\0b", "/a\rb", "\t//evil.example.org/a\tb"]) {
      const head = `HTTP/1.1 302 Found\r\nLocation: ${location}\r\n\r\n`;
      const origin = await startSpeakingOrigin(onTestFinished, head);
      expect(await createFetcher().outcome(origin.url("/"))).toMatch(/^source_(unreachable redirect|protocol)$/);
      expect(origin.connections).toBe(1);
    }
  });

  test("a redirect to a URL of more than 8192 characters is not followed", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(302, { Location: `/${"a".repeat(8192)}` }).end();
    });
    expect(await createFetcher().outcome(origin.url("/"))).toBe("source_unreachable redirect");
    expect(origin.connections).toBe(1);
  });

  test("a redirect with two different Location headers is a protocol error", async ({ onTestFinished }) => {
    const head = "HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\n\r\n";
    const origin = await startSpeakingOrigin(onTestFinished, head);
    expect(await createFetcher().outcome(origin.url("/"))).toBe("source_protocol");
  });

  test("a redirect to a port that the settings exclude is not followed", async ({ onTestFinished }) => {
    const other = await startOrigin(onTestFinished, (_request, response) => response.end());
    const origin = await startRedirector(onTestFinished);
    const { outcome } = createFetcher({ allowPorts: [String(origin.port)] });
    expect(await outcome(origin.url(to(other.url("/"))))).toBe("source_unreachable redirect");
    expect(other.connections).toBe(0);
  });

  test("a redirect to a host that the settings exclude is not followed", async ({ onTestFinished }) => {
    const origin = await startRedirector(onTestFinished);
    const { outcome } = createFetcher({ allowHosts: ["a.example.net"] });
    const start = `http://a.example.net:${origin.port}`;
    expect(await outcome(start + to(`http://a.example.net:${origin.port}/`))).toBe("ok");
    expect(await outcome(start + to(`http://b.example.net:${origin.port}/`))).toBe("source_unreachable redirect");
    expect(await outcome(start + to(origin.url("/")))).toBe("source_unreachable redirect");
    expect(origin.connections).toBe(4);
  });
});
