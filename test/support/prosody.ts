import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const plugins = ["../../prosody", "./prosody"].map((path) => fileURLToPath(new URL(path, import.meta.url)));

/** The root folder of another Debian whose Prosody to use: set for tests of another version. */
const root = process.env.MEDIA_ORACLE_TEST_PROSODY_ROOT ?? "";

/** Does not run `prosody --version`: on 0.12 that starts a server. */
export function hasProsody(): boolean {
  if (root !== "") return existsSync(join(root, "usr/bin/prosody"));
  return spawnSync("sh", ["-c", "command -v prosody && command -v prosodyctl"]).status === 0;
}

/** Returns whether this Prosody can store archives in SQLite (Debian's lua-dbi-sqlite3). */
export function hasSql(): boolean {
  const libraries = join(root, "/usr/lib");
  return readdirSync(libraries).some((name) => existsSync(join(libraries, name, "lua/5.4/dbd/sqlite3.so")));
}

/** Returns whether this Prosody keeps connections to the oracle open: 13 and later do. */
export function poolsConnections(): boolean {
  return Number.parseInt(readFileSync(join(root, "/usr/lib/prosody/prosody.version"), "utf8"), 10) >= 13;
}

function command(program: string, args: readonly string[]): [string, string[]] {
  return root === "" ? [program, [...args]] : ["chroot", [root, program, ...args]];
}

/** Runs the clean-up function when the test or the program that started the server ends. */
export type OnFinished = (cleanUp: () => void | Promise<void>) => void;

type LuaValue = string | number | boolean | readonly string[];

export interface ProsodyOptions {
  /** Options of the module, without their prefix: `{ timeout: 1 }`. */
  readonly module: Readonly<Record<string, LuaValue>>;
  /** Further modules on the rooms. */
  readonly roomModules?: readonly string[];
  /** Options of `media_metadata`. If set, the module is loaded on the host, whose users have accounts and archives. */
  readonly hostModule?: Readonly<Record<string, LuaValue>>;
  /** With an upload service (XEP-0363), at `upload.` and the domain. */
  readonly hasUploads?: boolean;
  /** Storage of archives; default: files. SQL needs {@link hasSql}. */
  readonly storage?: "sql";
  /** Default: a free port. */
  readonly httpPort?: number;
  /** The folder in which `prosodyctl install` put our modules; default: copy them from the project. */
  readonly installedIn?: string;
  /** Its domain for other servers, and their addresses. */
  readonly federation?: Federation;
}

export interface Federation {
  readonly domain: string;
  /** Addresses of all servers by domain; servers listen on port 5269, so each must have its own. */
  readonly addresses: Readonly<Record<string, string>>;
}

/** A real Prosody on loopback ports of its own, with rooms that are archived, and the module loaded on them. */
export interface Prosody {
  readonly domain: string;
  readonly c2sPort: number;
  readonly component: { readonly domain: string; readonly port: number; readonly secret: string };
  readonly httpPort: number;
  /** XMPP over WebSocket (RFC 7395), for browsers. */
  readonly websocketUrl: string;
  /** OpenMetrics. */
  readonly metricsUrl: string;
  readonly process: ChildProcess;
  /** Returns the bare JID of a room; the first occupant creates the room. */
  room(name: string): string;
  /** Its log so far, from level debug up. */
  log(): string;
  /** The lines logged at level error. */
  errors(): string[];
  /** Runs a command of Prosody's own shell, and returns its output. */
  shell(command: string): Promise<string>;
  /** Stops it as an operator would, and waits until it exits. Its data stay until the test ends. */
  stop(): Promise<void>;
}

/** Returns a metric of mod_muc_media_metadata by its name without prefix and a label (`outcome="late"`); 0 if absent. */
export async function moduleMetric({ metricsUrl }: Prosody, name: string, label = ""): Promise<number> {
  const lines = (await (await fetch(metricsUrl)).text()).split("\n");
  const line = lines.find(
    (text) => text.startsWith(`prosody_mod_muc_media_metadata__${name}{`) && text.includes(label),
  );
  return Number(line?.split(" ").at(-1) ?? 0);
}

/** Starts a Prosody in a temporary folder of its own. */
export async function startProsody(onFinished: OnFinished, options: ProsodyOptions): Promise<Prosody> {
  const folder = mkdtempSync(join(root, tmpdir(), "media-oracle-prosody-"));
  onFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [c2sPort, componentPort, anyPort] = await freePorts(3);
  const httpPort = options.httpPort ?? anyPort;
  mkdirSync(join(folder, "data"));
  for (const path of plugins) cpSync(path, join(folder, "plugins"), { recursive: true });
  const folderInside = folder.slice(root.length);
  const configFile = join(folderInside, "prosody.cfg.lua");
  const domain = options.federation?.domain ?? "localhost";
  const ports = { c2sPort, componentPort, httpPort };
  writeFileSync(join(root, configFile), configuration(folderInside, domain, ports, options));
  writeFileSync(join(folder, "hosts"), hostsFile(options.federation));

  const lines: string[] = [];
  const child = spawn(...command("prosody", ["--config", configFile, "-F"]), { stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await exited;
  };
  onFinished(async () => {
    child.kill("SIGKILL"); // a clean exit would take 1 s, and has no use here
    await exited;
  });
  await whenListening(child, lines);

  const errors = (): string[] => lines.filter((line) => /^\S+\s+error\s/.test(line));
  return {
    domain,
    c2sPort,
    component: { domain: `bot.${domain}`, port: componentPort, secret: "secret" },
    httpPort,
    websocketUrl: `ws://127.0.0.1:${httpPort}/xmpp-websocket`,
    metricsUrl: `http://127.0.0.1:${httpPort}/metrics`,
    process: child,
    room: (name) => `${name}@rooms.${domain}`,
    log: () => lines.join("\n"),
    errors,
    shell: async (line) => {
      const [program, args] = command("prosodyctl", ["--config", configFile, "shell", line]);
      const { stdout } = await promisify(execFile)(program, args);
      return stdout;
    },
    stop,
  };
}

type Ports = Readonly<Record<"c2sPort" | "componentPort" | "httpPort", number>>;

function configuration(folder: string, domain: string, ports: Ports, options: ProsodyOptions): string {
  const { module, roomModules = [], hostModule, hasUploads = false, federation, installedIn, storage } = options;
  const hostModules = hostModule ? ["mam", "carbons", "blocklist", "media_metadata"] : [];
  return `
run_as_root = true
pidfile = ${luaLiteral(join(folder, "prosody.pid"))}
data_path = ${luaLiteral(join(folder, "data"))}
admin_socket = ${luaLiteral(join(folder, "admin.sock"))}
certificates = ${luaLiteral(folder)}
${installedIn ? `installer_plugin_path = ${luaLiteral(installedIn)}` : `plugin_paths = { ${luaLiteral(join(folder, "plugins"))} }`}
log = { debug = "*console" }

interfaces = { "127.0.0.1" }
local_interfaces = { "127.0.0.1" }
c2s_ports = { ${ports.c2sPort} }
component_ports = { ${ports.componentPort} }
component_interfaces = { "127.0.0.1" }
http_ports = { ${ports.httpPort} }
https_ports = {}

modules_enabled = { "saslauth", "disco", "presence", "message", "iq", "ping", "admin_shell", "http_openmetrics", "websocket", "s2s", "dialback" }
modules_disabled = { "tls", "offline"${federation ? "" : ', "s2s", "dialback"'} }
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
consider_websocket_secure = true
http_cors_override = { websocket = { enabled = true } }
${storage === "sql" ? `storage = "sql"; sql = { driver = "SQLite3", database = ${luaLiteral(join(folder, "data", "sqlite"))} }` : ""}
statistics = "internal"
statistics_interval = "manual"
${federation ? federated(folder, federation) : "s2s_ports = {}"}

VirtualHost ${luaLiteral(domain)}
  modules_enabled = ${luaLiteral(hostModules)}
  authentication = "${hostModule ? "insecure" : "anonymous"}"
  insecure_open_authentication = "Yes please, I know what I'm doing!"
${moduleOptions("media_metadata", hostModule ?? {})}

Component ${luaLiteral(`rooms.${domain}`)} "muc"
  modules_enabled = ${luaLiteral(["muc_mam", "muc_media_metadata", ...roomModules])}
  muc_room_locking = false
${moduleOptions("muc_media_metadata", module)}

Component ${luaLiteral(`bot.${domain}`)}
  component_secret = "secret"
${hasUploads ? `\nComponent ${luaLiteral(`upload.${domain}`)} "http_file_share"` : ""}
`;
}

function moduleOptions(name: string, options: Readonly<Record<string, LuaValue>>): string {
  return Object.entries(options)
    .map(([option, value]) => `  ${name}_${option} = ${luaLiteral(value)}`)
    .join("\n");
}

/** Without TLS: these tests are about delays and order. Names come from a file; `.test` is reserved (RFC 6761). */
function federated(folder: string, { domain, addresses }: Federation): string {
  return `
s2s_ports = { 5269 }
s2s_interfaces = { ${luaLiteral(addresses[domain]!)} }
s2s_require_encryption = false
allow_anonymous_s2s = true
unbound = { hoststxt = ${luaLiteral(join(folder, "hosts"))}, resolvconf = false }`;
}

function hostsFile(federation: Federation | undefined): string {
  const names = (domain: string): string => ["", "rooms.", "bot."].map((part) => part + domain).join(" ");
  return Object.entries(federation?.addresses ?? {})
    .map(([domain, address]) => `${address} ${names(domain)}\n`)
    .join("");
}

function luaLiteral(value: LuaValue): string {
  if (typeof value === "object") return `{ ${value.map(luaLiteral).join(", ")} }`;
  return JSON.stringify(value); // Lua reads a JSON string as the same value, if it is printable ASCII
}

/**
 * Returns a free port below the ephemeral range (32768 and up on Linux): any connection could take an ephemeral port
 * before Prosody listens on it.
 */
export async function freePort(): Promise<number> {
  const port = randomInt(12_000, 32_000);
  return (await isFree(port)) ? port : freePort();
}

async function freePorts(count: 3): Promise<[number, number, number]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports] as [number, number, number];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Prosody opens its ports before it loads its modules, but does not respond before all are loaded. */
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
