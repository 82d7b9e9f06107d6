import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { createFetcher } from "../../support/fetch.ts";
import { makeCertificates, startOrigin, startTlsOrigin } from "../../support/origin.ts";

/** Answers as sites do that check for cookies: without one a redirect that sets it, with one the file. */
function answerWithCookie(cookie: string, location = "") {
  return (request: IncomingMessage, response: ServerResponse) => {
    if (request.headers.cookie !== undefined) response.end("abc");
    else response.writeHead(302, { Location: location || request.url, "Set-Cookie": cookie }).end();
  };
}

describe("redirects that need a cookie", () => {
  test("a redirect to the same URL is followed with the cookie that it sets", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, answerWithCookie("seen=1; Path=/; HttpOnly"));
    expect(await createFetcher().outcome(origin.url("/a.jpg"))).toBe("ok");
    expect(origin.requests).toBe(2);
  });

  test("cookies of several redirects are sent together", async ({ onTestFinished }) => {
    const seen: (string | undefined)[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      seen.push(request.headers.cookie);
      const step = Number(request.url?.slice(1));
      if (step === 2) response.end();
      else response.writeHead(302, { Location: `/${step + 1}`, "Set-Cookie": [`a${step}=1`, `b${step}=2`] }).end();
    });
    expect(await createFetcher().outcome(origin.url("/0"))).toBe("ok");
    expect(seen).toEqual([undefined, "a0=1; b0=2", "a0=1; b0=2; a1=1; b1=2"]);
  });

  test("a Secure cookie is sent over TLS", async ({ onTestFinished }) => {
    const { good, ca } = makeCertificates();
    const origin = await startTlsOrigin(onTestFinished, good, answerWithCookie("seen=1; Secure"));
    expect(await createFetcher({ ca }).outcome(origin.url("/a.jpg"))).toBe("ok");
  });

  test("a Secure cookie over plain HTTP is ignored, so that the loop ends at the limit", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, answerWithCookie("seen=1; Secure"));
    expect(await createFetcher({ maxRedirects: 10 }).outcome(origin.url("/a.jpg"))).toBe("source_redirects");
    expect(origin.requests).toBe(11);
  });

  test("a loop that sets another cookie each time ends at the limit", async ({ onTestFinished }) => {
    let count = 0;
    const origin = await startOrigin(onTestFinished, (request, response) => {
      response.writeHead(302, { Location: request.url, "Set-Cookie": `c${++count}=${"x".repeat(3000)}` }).end();
    });
    expect(await createFetcher({ maxRedirects: 10 }).outcome(origin.url("/a.jpg"))).toBe("source_redirects");
    expect(origin.requests).toBe(11);
  });
});

describe("cookies of a lookup", () => {
  test("no cookie is sent in the next lookup of the URL", async ({ onTestFinished }) => {
    const seen: (string | undefined)[] = [];
    const answer = answerWithCookie("seen=1");
    const origin = await startOrigin(onTestFinished, (request, response) => {
      seen.push(request.headers.cookie);
      answer(request, response);
    });
    const { outcome } = createFetcher();
    expect([await outcome(origin.url("/a.jpg")), await outcome(origin.url("/a.jpg"))]).toEqual(["ok", "ok"]);
    expect(seen).toEqual([undefined, "seen=1", undefined, "seen=1"]);
  });

  test("a cookie is sent to no other name, port or address, also if its Domain names it", async ({
    onTestFinished,
  }) => {
    const seen: (string | undefined)[] = [];
    const other = await startOrigin(onTestFinished, (request, response) => {
      seen.push(request.headers.cookie);
      response.end();
    });
    const hosts = [`a.example.net:${other.port}`, `b.example.net:${other.port}`, `example.net:${other.port}`];
    for (const host of [...hosts, `127.0.0.1:${other.port}`, `127.0.0.2:${other.port}`]) {
      const name = host.split(":")[0]!;
      const cookies = [`a=1`, `b=2; Domain=${name}`, "c=3; Domain=example.net"];
      const origin = await startOrigin(onTestFinished, (_request, response) => {
        response.writeHead(302, { Location: `http://${host}/`, "Set-Cookie": cookies }).end();
      });
      await createFetcher().outcome(`http://a.example.net:${origin.port}/`);
    }
    expect(seen).toEqual([undefined, undefined, undefined, undefined]); // nothing listens on 127.0.0.2
  });

  test("a cookie comes back to its host after a redirect through another one", async ({ onTestFinished }) => {
    const other = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(302, { Location: origin.url("/a.jpg") }).end();
    });
    const origin = await startOrigin(onTestFinished, answerWithCookie("seen=1", other.url("/")));
    expect(await createFetcher().outcome(origin.url("/a.jpg"))).toBe("ok");
  });

  test("cookies with characters that headers cannot have are ignored", async ({ onTestFinished }) => {
    const seen: (string | undefined)[] = [];
    const origin = await startOrigin(onTestFinished, (request, response) => {
      seen.push(request.headers.cookie);
      if (request.url === "/b") return void response.end();
      const bad = Buffer.from("a=\u00fc\u20ac").toString("latin1");
      response.writeHead(302, { Location: "/b", "Set-Cookie": [bad, "good=1"] }).end();
    });
    expect(await createFetcher().outcome(origin.url("/a"))).toBe("ok");
    expect(seen).toEqual([undefined, "good=1"]);
  });
});
