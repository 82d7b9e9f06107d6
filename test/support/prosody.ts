import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const plugins = ["../../prosody", "./prosody"].map((path) => fileURLToPath(new URL(path, import.meta.url)));

/** `prosody --version` is no test of it: on 0.12 that starts a server. */
export function hasProsody(): boolean {
  return spawnSync("sh", ["-c", "command -v prosody && command -v prosodyctl"]).status === 0;
}

/** What is given to it runs when whatever started the server is over. */
export type OnFinished = (cleanUp: () => void | Promise<void>) => void;

type LuaValue = string | number | boolean | readonly string[];

export interface ProsodyOptions {
  /** Options of the module, without their prefix: `{ timeout: 1 }`. */
  readonly module: Readonly<Record<string, LuaValue>>;
  /** Further modules on the rooms. */
  readonly roomModules?: readonly string[];
}

/** A real Prosody on loopback ports of its own, with rooms that are archived, and the module loaded on them. */
export interface Prosody {
  readonly domain: string;
  readonly c2sPort: number;
  readonly component: { readonly domain: string; readonly port: number; readonly secret: string };
  /** OpenMetrics. */
  readonly metricsUrl: string;
  /** The bare JID of a room, which the first who enters creates. */
  room(name: string): string;
  /** All that it logged so far, of level debug and up. */
  log(): string;
  /** The lines logged at level error. */
  errors(): string[];
  /** Runs a command of Prosody's own shell, and gives what it printed. */
  shell(command: string): Promise<string>;
  /** Ends it as an operator would, and waits for it. Its data stay until the end. */
  stop(): Promise<void>;
}

/** Starts one in a temporary folder of its own. */
export async function startProsody(onFinished: OnFinished, options: ProsodyOptions): Promise<Prosody> {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-prosody-"));
  onFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [c2sPort, componentPort, httpPort] = await freePorts(3);
  const configFile = join(folder, "prosody.cfg.lua");
  mkdirSync(join(folder, "data"));
  writeFileSync(configFile, configuration(folder, { c2sPort, componentPort, httpPort }, options));

  const lines: string[] = [];
  const child = spawn("prosody", ["--config", configFile, "-F"], { stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await exited;
  };
  onFinished(async () => {
    child.kill("SIGKILL"); // it has nothing left to say, and takes a second to say it
    await exited;
  });
  await whenListening(child, lines);

  const errors = (): string[] => lines.filter((line) => /^\S+\s+error\s/.test(line));
  return {
    domain: "localhost",
    c2sPort,
    component: { domain: "bot.localhost", port: componentPort, secret: "secret" },
    metricsUrl: `http://127.0.0.1:${httpPort}/metrics`,
    room: (name) => `${name}@rooms.localhost`,
    log: () => lines.join("\n"),
    errors,
    shell: async (command) => {
      const { stdout } = await promisify(execFile)("prosodyctl", ["--config", configFile, "shell", command]);
      return stdout;
    },
    stop,
  };
}

type Ports = Readonly<Record<"c2sPort" | "componentPort" | "httpPort", number>>;

function configuration(folder: string, ports: Ports, { module, roomModules = [] }: ProsodyOptions): string {
  const moduleOptions = Object.entries(module).map(
    ([name, value]) => `  muc_media_metadata_${name} = ${luaLiteral(value)}`,
  );
  return `
run_as_root = true
pidfile = ${luaLiteral(join(folder, "prosody.pid"))}
data_path = ${luaLiteral(join(folder, "data"))}
admin_socket = ${luaLiteral(join(folder, "admin.sock"))}
certificates = ${luaLiteral(folder)}
plugin_paths = ${luaLiteral(plugins)}
log = { debug = "*console" }

interfaces = { "127.0.0.1" }
local_interfaces = { "127.0.0.1" }
c2s_ports = { ${ports.c2sPort} }
component_ports = { ${ports.componentPort} }
component_interfaces = { "127.0.0.1" }
http_ports = { ${ports.httpPort} }
https_ports = {}
s2s_ports = {}

modules_enabled = { "saslauth", "disco", "presence", "message", "iq", "ping", "admin_shell", "http_openmetrics" }
modules_disabled = { "s2s", "tls", "offline" }
authentication = "anonymous"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
statistics = "internal"
statistics_interval = "manual"

VirtualHost "localhost"

Component "rooms.localhost" "muc"
  modules_enabled = ${luaLiteral(["muc_mam", "muc_media_metadata", ...roomModules])}
  muc_room_locking = false
${moduleOptions.join("\n")}

Component "bot.localhost"
  component_secret = "secret"
`;
}

function luaLiteral(value: LuaValue): string {
  if (typeof value === "object") return `{ ${value.map(luaLiteral).join(", ")} }`;
  return JSON.stringify(value); // Lua reads the same text as the same value, as long as it is printable ASCII
}

/**
 * Below the range from which the system gives out ports (32768 and up on Linux): between this look and Prosody's own
 * listening, any connection of anybody could take one of those.
 */
async function freePorts(count: 3): Promise<[number, number, number]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(12_000, 32_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports] as [number, number, number];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Its services are open before its modules are loaded, but it answers nobody until they are. */
async function whenListening(child: ChildProcess, lines: string[]): Promise<void> {
  const missing = new Set(["c2s", "component", "http"]);
  await new Promise<void>((resolve, reject) => {
    const read = (line: string): void => {
      lines.push(line);
      if (line.includes("Failed to open server port")) reject(new Error(line));
      const [, service] = /Activated service '(\w+)' on .*:\d/.exec(line) ?? [];
      if (service && missing.delete(service) && missing.size === 0) resolve();
    };
    createInterface({ input: child.stdout! }).on("line", read);
    createInterface({ input: child.stderr! }).on("line", read);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`prosody ended with ${String(code)}:\n${lines.join("\n")}`)));
  });
}
