import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Certificate } from "./origin.ts";

type OnTestFinished = (cleanUp: () => void | Promise<void>) => void;

export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

const startTimeoutMs = 10_000;

/** A redis-server of one test, with methods to make it fail. */
export interface RedisServer {
  readonly port: number;
  /** Includes the password, if there is one. */
  readonly url: string;
  /** Runs a command with redis-cli, and returns its output. */
  command(...args: string[]): string;
  /** Sets a value of any length. */
  put(key: string, value: string): void;
  /** Kills it (SIGKILL); its data is lost. */
  kill(): Promise<void>;
  /** Starts it again after {@link kill}, on the same port, empty. */
  restart(): Promise<void>;
  /** Stops responding with open connections (SIGSTOP). */
  stall(): void;
  resume(): void;
  /** Sets or lifts a memory limit that makes writes fail (OOM). */
  fill(isFull: boolean): void;
  /** Makes it a replica of an unavailable server, which is read-only, or a master again. */
  makeReadOnly(isReadOnly: boolean): void;
  flush(): void;
}

export interface RedisServerOptions {
  readonly password?: string;
  readonly tls?: Certificate;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function runServer(args: readonly string[]): Promise<ChildProcess> {
  const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (output.includes("Ready to accept connections")) resolve();
    });
    const fail = (reason: string) => reject(new Error(`redis-server ${reason}:\n${output}`));
    child.once("exit", () => fail("exited"));
    setTimeout(fail, startTimeoutMs, "did not start in time").unref();
  });
  return child;
}

/** Starts an empty redis-server on a free port, without persistence. */
export async function startRedis(
  onTestFinished: OnTestFinished,
  { password, tls }: RedisServerOptions = {},
): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-redis-"));
  const port = await freePort();
  const args = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder];
  if (password !== undefined) args.push("--requirepass", password);
  if (tls) {
    const [cert, key] = [join(folder, "cert"), join(folder, "key")];
    writeFileSync(cert, tls.cert);
    writeFileSync(key, tls.key);
    args.push("--port", "0", "--tls-port", String(port), "--tls-cert-file", cert, "--tls-key-file", key);
    args.push("--tls-ca-cert-file", cert, "--tls-auth-clients", "no");
  } else {
    args.push("--port", String(port));
  }
  let child = await runServer(args);
  const end = async () => {
    const exited = once(child, "exit");
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL"); // works on a stopped process too
    await exited;
  };
  onTestFinished(async () => {
    await end();
    rmSync(folder, { recursive: true });
  });
  const clientArgs = ["-h", "127.0.0.1", "-p", String(port), ...(tls ? ["--tls", "--insecure"] : [])];
  if (password !== undefined) clientArgs.push("--no-auth-warning", "-a", password);
  const run = (words: readonly string[], input?: string) => {
    const output = execFileSync("redis-cli", [...clientArgs, ...words], { encoding: "utf8", input }).trimEnd();
    if (/^(\(error\) |[A-Z]{3,} )/.test(output)) throw new Error(output);
    return output;
  };
  const command = (...words: string[]) => run(words);
  const authority = `${password === undefined ? "" : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`;
  return {
    port,
    url: `${tls ? "rediss" : "redis"}://${authority}`,
    command,
    put: (key, value) => void run(["-x", "SET", key], value),
    kill: end,
    restart: async () => void (child = await runServer(args)),
    stall: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    fill: (isFull) => void command("CONFIG", "SET", "maxmemory", isFull ? "1" : "0"),
    makeReadOnly: (isReadOnly) => void command("REPLICAOF", ...(isReadOnly ? ["127.0.0.1", "1"] : ["NO", "ONE"])),
    flush: () => void command("FLUSHALL"),
  };
}
