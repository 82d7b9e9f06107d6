import { type AddressInfo, connect, createServer } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import { createFetcher } from "../../support/fetch.ts";
import {
  type Certificates,
  makeCertificates,
  startOrigin,
  startRawOrigin,
  startTlsOrigin,
} from "../../support/origin.ts";

let certificates: Certificates;
beforeAll(() => {
  certificates = makeCertificates();
});

const fetcherWith = (options = {}) => createFetcher({ ca: certificates.ca, ...options });

describe("over TLS", () => {
  test("a certificate for the name in the URL is accepted, and the name is sent as SNI", async ({ onTestFinished }) => {
    let servername: unknown;
    const origin = await startTlsOrigin(onTestFinished, certificates.good, (request, response) => {
      servername = (request.socket as { servername?: unknown }).servername;
      response.end("abc");
    });
    expect(await fetcherWith().outcome(`https://media.example.net:${origin.port}/`)).toBe("ok");
    expect(servername).toBe("media.example.net");
    await origin.idle();
  });

  test("an address is not sent as SNI, and the certificate must match it", async ({ onTestFinished }) => {
    let servername: unknown;
    const origin = await startTlsOrigin(onTestFinished, certificates.good, (request, response) => {
      servername = (request.socket as { servername?: unknown }).servername;
      response.end("abc");
    });
    expect(await fetcherWith().outcome(origin.url("/"))).toBe("ok");
    expect(servername).toBe(false);
    expect(await fetcherWith().outcome(`https://127.0.0.2:${origin.port}/`)).not.toBe("ok");
  });

  test.for([
    ["wrongName", "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["expired", "CERT_HAS_EXPIRED"],
    ["selfSigned", "DEPTH_ZERO_SELF_SIGNED_CERT"],
    ["incomplete", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  ] as const)(
    "a certificate that is %s is refused, with the code %s for the log",
    async ([which, tlsError], { onTestFinished }) => {
      const origin = await startTlsOrigin(onTestFinished, certificates[which], (_request, response) => response.end());
      const opened = fetcherWith().open(`https://media.example.net:${origin.port}/`);
      await expect(opened).rejects.toMatchObject({ code: "source_unreachable", reason: "tls", tlsError });
      expect(origin.requests).toBe(0);
      await origin.idle();
    },
  );

  test("a certificate with that of its intermediate authority is accepted", async ({ onTestFinished }) => {
    const origin = await startTlsOrigin(onTestFinished, certificates.chained, (_request, response) => response.end());
    expect(await fetcherWith().outcome(`https://media.example.net:${origin.port}/`)).toBe("ok");
  });

  test("a certificate of an unknown authority is refused, regardless of the environment", async ({
    onTestFinished,
  }) => {
    const origin = await startTlsOrigin(onTestFinished, certificates.good, (_request, response) => response.end());
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
    onTestFinished(() => void delete process.env.NODE_TLS_REJECT_UNAUTHORIZED);
    expect(await createFetcher().outcome(`https://media.example.net:${origin.port}/`)).toBe("source_unreachable tls");
    expect(origin.requests).toBe(0);
  });

  test("a rewrite to https sends the name of its left side", async ({ onTestFinished }) => {
    const origin = await startTlsOrigin(onTestFinished, certificates.good, (_request, response) => response.end());
    const rewrites = [
      `https://media.example.net/=>https://127.0.0.1:${origin.port}/`,
      `https://upload.example.net/=>https://127.0.0.1:${origin.port}/`,
    ];
    const { outcome } = fetcherWith({ allowAddresses: [], rewrites });
    expect(await outcome("https://media.example.net/a")).toBe("ok");
    expect(await outcome("https://upload.example.net/a")).toBe("source_unreachable tls");
  });

  test("a redirect from https to http and back is followed", async ({ onTestFinished }) => {
    const secure = await startTlsOrigin(onTestFinished, certificates.good, (request, response) => {
      if (request.url === "/there") response.end();
      else response.writeHead(302, { Location: plain.url("/") }).end();
    });
    const plain = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(302, { Location: secure.url("/there") }).end();
    });
    expect(await fetcherWith().outcome(secure.url("/"))).toBe("ok");
  });

  test("a body that ends by a reset is truncated", async ({ onTestFinished }) => {
    // A TCP relay in between, since only a relay can reset the encrypted connection.
    const origin = await startTlsOrigin(onTestFinished, certificates.good, (request) => {
      request.socket.write("HTTP/1.1 200 OK\r\n\r\nabc");
      setTimeout(() => relay.emit("cut"), 100);
    });
    const relay = createServer((socket) => {
      const onward = connect(origin.port, "127.0.0.1");
      socket.pipe(onward).pipe(socket);
      for (const end of [socket, onward]) end.on("error", () => undefined);
      relay.on("cut", () => socket.resetAndDestroy());
    });
    await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void relay.close());
    const { port } = relay.address() as AddressInfo;
    expect(await fetcherWith().outcome(`https://127.0.0.1:${port}/`)).toBe("body_truncated");
  });

  test("a TLS handshake that does not end fails at the connect timeout", async ({ onTestFinished }) => {
    const origin = await startRawOrigin(onTestFinished, () => undefined);
    const { outcome } = fetcherWith({ connectTimeoutMs: 300 });
    const never = new AbortController().signal;
    expect(await outcome(origin.url("/").replace("http", "https"), never)).toBe("source_unreachable timeout");
    await origin.idle();
  });

  test("a plain HTTP origin cannot be reached over TLS, nor a TLS origin over plain HTTP", async ({
    onTestFinished,
  }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end());
    expect(await fetcherWith().outcome(origin.url("/").replace("http", "https"))).toMatch(
      /^source_unreachable (tls|reset)$/,
    );
    const secure = await startTlsOrigin(onTestFinished, certificates.good, (_request, response) => response.end());
    expect(await fetcherWith().outcome(secure.url("/").replace("https", "http"))).toMatch(/^source_/);
  });
});
