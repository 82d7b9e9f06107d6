import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Vitest's hook: runs the clean-up function after the test, whether it passed or failed. */
type OnTestFinished = (cleanUp: () => void | Promise<void>) => void;

export interface Origin {
  readonly port: number;
  /** @param path with its leading slash */
  readonly url: (path: string) => string;
  /** Connections accepted so far. */
  readonly connections: number;
  /** Requests that were read completely; of a raw origin, connections that received any data. */
  readonly requests: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Resolves when no connection is open. */
  readonly idle: () => Promise<void>;
}

interface ListenOptions {
  /** Default: `127.0.0.1`. */
  readonly host?: string;
  /** Default: a free port. */
  readonly port?: number;
}

/** Starts an HTTP server on a free port with the test's own responder, which may never end, or lie. */
export async function startOrigin(
  onTestFinished: OnTestFinished,
  responder: RequestListener,
  options: ListenOptions = {},
): Promise<Origin> {
  const server = createHttpServer(responder);
  return listen(onTestFinished, server, "http", "request", options);
}

/** Starts a TCP server on a free port, for responses that no HTTP server would send. Socket errors are ignored. */
export async function startRawOrigin(
  onTestFinished: OnTestFinished,
  onConnection: (socket: Socket) => void,
  options: ListenOptions = {},
): Promise<Origin> {
  const server = createTcpServer((socket) => {
    socket.once("data", () => server.emit("asked"));
    onConnection(socket);
  });
  return listen(onTestFinished, server, "http", "asked", options);
}

/** Starts a raw origin that sends this on every connection after the first request data, and leaves it open. */
export async function startSpeakingOrigin(
  onTestFinished: OnTestFinished,
  speak: string | Buffer | ((socket: Socket) => void),
  options: ListenOptions = {},
): Promise<Origin> {
  const listen = (socket: Socket) => {
    socket.once("data", () => (typeof speak === "function" ? speak(socket) : socket.write(speak)));
  };
  return startRawOrigin(onTestFinished, listen, options);
}

/** The same as {@link startOrigin} over TLS, with a certificate of {@link makeCertificates}. */
export async function startTlsOrigin(
  onTestFinished: OnTestFinished,
  { key, cert }: Certificate,
  responder: RequestListener,
): Promise<Origin> {
  const server = createHttpsServer({ key, cert }, responder);
  return listen(onTestFinished, server, "https", "request", {});
}

const usedPorts = new Set<number>();

/** Never takes a free port twice: a service of several tests would have the answer to the same URL in its cache. */
async function listenOnce(server: Server, wantedPort: number, host: string): Promise<number> {
  await new Promise<void>((resolve) => server.listen(wantedPort, host, resolve));
  const { port } = server.address() as AddressInfo;
  if (wantedPort !== 0 || !usedPorts.has(port)) {
    usedPorts.add(port);
    return port;
  }
  await new Promise((resolve) => server.close(resolve));
  return listenOnce(server, wantedPort, host);
}

async function listen(
  onTestFinished: OnTestFinished,
  server: Server,
  scheme: string,
  requestEvent: string,
  { host = "127.0.0.1", port: wantedPort = 0 }: ListenOptions,
): Promise<Origin> {
  const sockets = new Set<Socket>();
  let connections = 0;
  let requests = 0;
  const idleListeners: (() => void)[] = [];
  server.on("connection", (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      if (sockets.size === 0) for (const listener of idleListeners.splice(0)) listener();
    });
  });
  server.on(requestEvent, () => (requests += 1));
  const port = await listenOnce(server, wantedPort, host);
  onTestFinished(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return {
    port,
    url: (path) => `${scheme}://${authority}${path}`,
    get connections() {
      return connections;
    },
    get requests() {
      return requests;
    },
    get open() {
      return sockets.size;
    },
    idle: () => (sockets.size === 0 ? Promise.resolve() : new Promise((resolve) => idleListeners.push(resolve))),
  };
}

/** Both in PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

export interface Certificates {
  /** PEM of the authority that signed the next three. */
  readonly ca: string;
  /** For media.example.net, 127.0.0.1 and ::1. */
  readonly good: Certificate;
  /** For another name. */
  readonly wrongName: Certificate;
  /** Expired long ago. */
  readonly expired: Certificate;
  /** For the right names, but self-signed. */
  readonly selfSigned: Certificate;
  /** For the right names, signed by an intermediate authority, whose certificate `cert` lacks. */
  readonly incomplete: Certificate;
  /** The same with the certificate of the intermediate authority. */
  readonly chained: Certificate;
}

/** Makes an authority and certificates with the system's openssl: takes 0.5 s, so only once per test file. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-certificates-"));
  const openssl = (...parameters: string[]) => execFileSync("openssl", parameters, { cwd: folder, stdio: "pipe" });
  const read = (file: string) => readFileSync(join(folder, file), "utf8");
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const goodNames = "subjectAltName=DNS:media.example.net,IP:127.0.0.1,IP:::1";
  try {
    const selfSigned = (name: string, extension: string): Certificate => {
      const files = ["-keyout", `${name}.key`, "-out", `${name}.crt`];
      openssl("req", "-x509", ...newKey, ...files, "-days", "30", "-subj", `/CN=${name}`, "-addext", extension);
      return { key: read(`${name}.key`), cert: read(`${name}.crt`) };
    };
    const signed = (name: string, extension: string, days: string, issuer = "authority"): Certificate => {
      const files = ["-keyout", `${name}.key`, "-out", `${name}.csr`];
      openssl("req", ...newKey, ...files, "-subj", `/CN=${name}`, "-addext", extension);
      const authority = ["-CA", `${issuer}.crt`, "-CAkey", `${issuer}.key`, "-CAcreateserial"];
      const signing = ["-in", `${name}.csr`, "-out", `${name}.crt`, "-copy_extensions", "copy", "-days", days];
      openssl("x509", "-req", ...authority, ...signing);
      return { key: read(`${name}.key`), cert: read(`${name}.crt`) };
    };
    const authority = selfSigned("authority", "keyUsage=keyCertSign");
    const intermediate = signed("intermediate", "basicConstraints=critical,CA:TRUE", "30");
    const incomplete = signed("leaf", goodNames, "30", "intermediate");
    return {
      ca: authority.cert,
      good: signed("good", goodNames, "30"),
      wrongName: signed("wrong", "subjectAltName=DNS:other.example.net", "30"),
      expired: signed("expired", goodNames, "-1"),
      selfSigned: selfSigned("self", goodNames),
      incomplete,
      chained: { ...incomplete, cert: incomplete.cert + intermediate.cert },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
