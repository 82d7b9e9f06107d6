import { getEventListeners, once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, test, type TestContext } from "vitest";
import {
  type BodySink,
  exchange,
  type ExchangeControl,
  type ExchangeRequest,
  type ResponseHead,
} from "../../../src/fetch/exchange.ts";
import { crlf, ok } from "../../support/hostile.ts";
import { startSpeakingOrigin } from "../../support/origin.ts";

type Accept = (head: ResponseHead, control: ExchangeControl) => BodySink | null;

/** Connects to an origin that says this. The exchange must destroy the socket itself. */
async function connectTo({ onTestFinished }: TestContext, say: (socket: Socket) => unknown) {
  const origin = await startSpeakingOrigin(onTestFinished, say);
  const socket = connect(origin.port, "127.0.0.1").on("error", () => undefined);
  await once(socket, "connect");
  onTestFinished(() => void socket.destroy());
  const ask = (accept: Accept, request: Partial<ExchangeRequest> = {}, signal = AbortSignal.timeout(10_000)) =>
    exchange(socket, { host: "a.example", path: "/", headers: {}, ...request }, signal, accept);
  return { origin, socket, ask };
}

const sayBody = (socket: Socket) => void socket.write(`${ok}Content-Length: 4${crlf}${crlf}ab`);

function collect(written: string[], control?: ExchangeControl): BodySink {
  control?.close();
  return {
    hasEnough: false,
    write(chunk) {
      written.push(Buffer.from(chunk).toString());
      return true;
    },
    end: (how) => void written.push(how),
  };
}

describe("an exchange", () => {
  test("an exchange ends with `internal` if the caller fails on the head, and closes the connection", async (context) => {
    const { socket, ask } = await connectTo(context, sayBody);
    const asked = ask(() => {
      throw new Error("no memory");
    });
    await expect(asked).rejects.toMatchObject({ code: "internal" });
    expect(socket.destroyed).toBe(true);
  });

  test("a body is truncated if its sink fails on a chunk, and the connection is closed", async (context) => {
    const { socket, ask } = await connectTo(context, sayBody);
    const written: string[] = [];
    const failing = {
      ...collect(written),
      write() {
        throw new Error("no memory");
      },
    };
    await expect(ask(() => failing)).resolves.toMatchObject({ status: 200 });
    expect(written).toEqual(["truncated"]);
    expect(socket.destroyed).toBe(true);
  });

  test.for<[part: string, request: Partial<ExchangeRequest>]>([
    ["path", { path: "/ HTTP/1.1\r\nX-Forged: a\r\nX: " }],
    ["host", { host: "a.example\r\nX-Forged: a" }],
    ["header", { headers: { cookie: "a=b\r\nX-Forged: a" } }],
  ])("a request with a line end in its %s is not sent", async ([, request], context) => {
    const { origin, socket, ask } = await connectTo(context, sayBody);
    await expect(ask(() => null, request)).rejects.toMatchObject({ code: "internal" });
    expect(socket.destroyed).toBe(true);
    await origin.idle();
    expect(origin.requests).toBe(0);
  });

  test("a connection that is lost before the exchange is a reset, without waiting for the signal", async (context) => {
    const { socket, ask } = await connectTo(context, sayBody);
    socket.destroy();
    await once(socket, "close");
    await expect(ask(() => null)).rejects.toMatchObject({ code: "source_unreachable", reason: "reset" });
  });

  test("an exchange whose connection fails before the head has the reason of the failure", async (context) => {
    const { socket, ask } = await connectTo(context, () => undefined);
    const asked = ask(() => null);
    socket.destroy(Object.assign(new Error("no route"), { code: "EHOSTUNREACH" }));
    await expect(asked).rejects.toMatchObject({ code: "source_unreachable", reason: "network" });
  });

  test("a body is truncated if its connection is destroyed without an error", async (context) => {
    const { socket, ask } = await connectTo(context, (socket) => socket.write(`${ok}${crlf}ab`));
    const written: string[] = [];
    await ask(() => collect(written));
    const closed = once(socket, "close");
    socket.destroy();
    await closed;
    expect(written).toEqual(["ab", "truncated"]);
  });

  test("an exchange whose signal is aborted before it begins sends nothing", async (context) => {
    const { origin, socket, ask } = await connectTo(context, sayBody);
    const asked = ask(() => null, {}, AbortSignal.abort());
    await expect(asked).rejects.toMatchObject({ code: "source_unreachable", reason: "timeout" });
    expect(socket.destroyed).toBe(true);
    await origin.idle();
    expect(origin.requests).toBe(0);
  });

  test.for<[how: string, say: (socket: Socket) => unknown, expected: string[]]>([
    ["whole", (socket) => socket.write(`${ok}Content-Length: 1${crlf}${crlf}a`), ["a", "complete"]],
    ["cut", (socket) => socket.end(`${ok}Content-Length: 2${crlf}${crlf}a`), ["a", "truncated"]],
    ["malformed", (socket) => socket.write(`${ok}Transfer-Encoding: chunked${crlf}${crlf}?`), ["truncated"]],
  ])(
    "after a body that is %s, the connection is closed and the signal has no listener left",
    async ([, say, expected], context) => {
      const { socket, ask } = await connectTo(context, say);
      const { signal } = new AbortController();
      const written: string[] = [];
      const closed = once(socket, "close");
      await ask(() => collect(written), {}, signal);
      await closed;
      expect(written).toEqual(expected);
      expect(getEventListeners(signal, "abort")).toEqual([]);
    },
  );

  test("a sink receives nothing once its exchange is closed", async (context) => {
    const { socket, ask } = await connectTo(context, sayBody);
    const written: string[] = [];
    await ask((_head, control) => collect(written, control));
    await once(socket, "close");
    expect(written).toEqual([]);
  });
});
