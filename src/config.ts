import { z } from "zod";
import { checkReplaceable } from "./cache/snapshot-file.ts";
import { defaultListenAddress } from "./domain/listen-address.ts";
import { parseAddressRule, parseCidr } from "./fetch/address.ts";
import { parseHostPattern, parsePortRange, parseRewrite } from "./fetch/target.ts";
import { decodableFormats } from "./media/formats/index.ts";
import {
  integer,
  bytes,
  milliseconds,
  optional,
  list,
  redisAddress,
  listenHost,
  listenPort,
  format,
  token,
  tokenKey,
  tokenName,
  flag,
  mebibyte,
  dayMs,
  parseHostname,
  parseProxy,
  parseOrigin,
  bytesText,
} from "./setting-values.ts";

const prefix = "MEDIA_ORACLE_";

/** What the machine gives, for the defaults that depend on it. */
export interface Machine {
  readonly version: string;
  /** Home page in package.json, for the default `User-Agent`. */
  readonly homepage?: string | undefined;
  readonly processors: number;
  /** Memory that this process and its children may use, in bytes. */
  readonly memoryBytes: number;
  readonly readFile: (path: string) => string;
}

/** One row a setting. `parse` gets the text of the variable or flag, or of the default. */
interface Setting<T> {
  readonly about: string;
  /** Shown in the help, and parsed where nothing is set. */
  readonly fallback: string | ((machine: Machine) => string);
  readonly parse: z.ZodType<T, string>;
  /** All values, of one that has few; of a list, those of its items. */
  readonly choices?: readonly string[];
  /** Has a `_FILE` twin and no flag, and is never printed. The file is one text, or a list with an item a line. */
  readonly secret?: "text" | "list";
}

function setting<T>(parse: z.ZodType<T, string>, fallback: Setting<T>["fallback"], about: string): Setting<T> {
  return { parse, fallback, about };
}

function choice<const T extends string>(choices: readonly [T, ...T[]], fallback: T, about: string) {
  return { ...setting(z.enum(choices) as z.ZodType<T, string>, fallback, about), choices };
}

/** Returns the comment of the default `User-Agent`; empty if the home page is absent or a placeholder (RFC 2606: `.invalid`). */
function contactOf(homepage: string | undefined): string {
  if (homepage === undefined || new URL(homepage).hostname.endsWith(".invalid")) return "";
  return ` (+${homepage})`;
}

const settings = {
  HOST: setting(listenHost, defaultListenAddress.host, "address to listen on"),
  PORT: setting(listenPort, defaultListenAddress.port, "port to listen on"),
  METRICS_PORT: setting(
    optional(listenPort),
    "",
    "port of a listener that serves only `GET /metrics`, without a token: keep strangers away from it",
  ),
  TRUSTED_PROXIES: setting(
    list(parseProxy),
    "",
    "addresses and CIDRs of reverse proxies whose `X-Forwarded-For` names the client, for the rate limit and the log",
  ),
  TOKENS: {
    ...setting(token, "", "bearer tokens of at least 16 characters; any of them gives access to the API"),
    secret: "list",
  },
  TOKEN_KEY: { ...setting(tokenKey, "", "signs the tokens that `media-oracle token NAME` prints"), secret: "text" },
  REVOKED_TOKENS: setting(tokenName, "", "names whose tokens (of `media-oracle token`) are revoked"),
  RATE_LIMIT: setting(
    optional(integer(1, 1_000_000)),
    "",
    "uncached lookups a minute per token or client address (IPv6: /64); cache hits are not counted",
  ),
  AUTH: choice(["tokens", "none"], "tokens", '"none": serve without tokens, also on an address that is not loopback'),
  HOSTNAMES: setting(
    list(parseHostname),
    "",
    "host names besides localhost that `Host` may have while no token is set; on loopback all others get 403",
  ),
  CORS_ORIGINS: setting(
    list(parseOrigin),
    "",
    "origins of pages on other hosts that may use the API (https://chat.example.org); *: all pages",
  ),
  ALLOW_ADDRESSES: setting(list(parseAddressRule), "", "CIDR or CIDR:port of private addresses that may be fetched"),
  DENY_ADDRESSES: setting(list(parseCidr), "", "CIDRs of public addresses that must not be fetched"),
  ALLOW_HOSTS: setting(
    list(parseHostPattern),
    "",
    "only these host patterns (*.example.org) may be fetched; empty: all but private names (nas.lan)",
  ),
  DENY_HOSTS: setting(list(parseHostPattern), "", "host patterns that must not be fetched"),
  ALLOW_PORTS: setting(list(parsePortRange), "80,443", "ports and ranges (8000-8999) that may be fetched"),
  REWRITES: setting(
    list(parseRewrite),
    "",
    "https://left/=>http://right/: URLs under the left are fetched from the right",
  ),
  MAX_BYTES: setting(bytes(1, 2 ** 31), "64MiB", "largest body that is read"),
  WHOLE_BYTES: setting(
    bytes(0, 2 ** 31),
    "16MiB",
    "largest body that a request without `fields` reads to its end, for `sha256`; of a larger one only what the other fields need",
  ),
  EARLY_STOP: {
    ...setting(flag, "false", "deprecated, without effect: see MEDIA_ORACLE_WHOLE_BYTES"),
    choices: flag.in.options,
  },
  DECODE_BYTES: setting(
    bytes(1, 2 ** 40),
    // Half of what there is: the other half is for bodies, the cache and the program.
    ({ memoryBytes }) => bytesText(Math.max(64 * mebibyte, Math.min(512 * mebibyte, Math.floor(memoryBytes / 2)))),
    "estimated memory of all decodes together",
  ),
  FORMATS: {
    ...setting(
      format,
      "jpeg,png,webp,gif,avif,heic,jxl,bmp,ico,video,audio,pdf",
      `formats that are decoded, of ${decodableFormats.join(", ")}`,
    ),
    choices: decodableFormats,
  },
  FETCH_TIMEOUT_MS: setting(milliseconds(1, 600_000), "15s", "timeout of a fetch, time in the queue included"),
  CONNECT_TIMEOUT_MS: setting(milliseconds(1, 60_000), "3s", "timeout of name resolution, TCP and TLS together"),
  DECODE_TIMEOUT_MS: setting(milliseconds(1, 600_000), "10s", "time limit of a decode; its worker is then killed"),
  MAX_REDIRECTS: setting(integer(0, 20), "10", "redirects that are followed per lookup"),
  FETCH_CONCURRENCY: setting(integer(1, 10_000), "64", "concurrent fetches"),
  PER_HOST: setting(
    integer(1, 10_000),
    "16",
    "concurrent fetches per host and port, and connections per address and port",
  ),
  DECODERS: setting(integer(1, 64), ({ processors }) => String(Math.min(4, processors)), "decoder worker processes"),
  QUEUE: setting(integer(0, 100_000), "256", "lookups in the queue; beyond it 503 `overloaded`"),
  USER_AGENT: setting(
    z.string().regex(/^[\x21-\x7e][\x20-\x7e]{0,199}$/, "must be at most 200 visible ASCII characters"),
    // RFC 9110 10.1.5: robots name a contact, so that operators of origins can ask instead of blocking.
    ({ version, homepage }) => `media-oracle/${version}${contactOf(homepage)}`,
    "`User-Agent` header sent to origins; some refuse one without a contact",
  ),
  FETCH_BYTES: setting(bytes(1, 2 ** 40), "256MiB", "memory for all bodies being read"),
  CACHE_BYTES: setting(bytes(1, 2 ** 40), "64MiB", "memory of the cache"),
  CACHE_FILE: setting(
    optional(z.string()),
    "",
    "file that keeps the cache over a restart; written every five minutes and at shutdown",
  ),
  REDIS_URL: {
    ...setting(
      optional(redisAddress),
      "",
      "Redis or Valkey that replicas share: redis://[[user]:password@]host[:port][/database], rediss:// for TLS",
    ),
    secret: "text",
  },
  FRESH_MIN_MS: setting(milliseconds(1, 365 * dayMs), "1m", "shortest time that metadata is fresh (±10 %)"),
  FRESH_MAX_MS: setting(
    milliseconds(1, 365 * dayMs),
    "7d",
    "longest time that metadata is fresh, if its origin allows more",
  ),
  FRESH_DEFAULT_MS: setting(milliseconds(1, 365 * dayMs), "1h", "time that metadata is fresh if its origin sets none"),
  FAILURE_MS: setting(
    milliseconds(1, dayMs),
    "1m",
    "time that a failure is cached; lasting failures are cached for a multiple of it",
  ),
  LOG_LEVEL: choice(
    ["fatal", "error", "warn", "info", "debug", "trace", "silent"],
    "info",
    "lowest level that is logged; cache hits are logged at debug",
  ),
  SHUTDOWN_MS: setting(milliseconds(0, dayMs), "10s", "time for requests in flight at shutdown"),
} satisfies Record<string, Setting<unknown>>;

type SettingName = keyof typeof settings;
/** All settings, parsed; keys as in the variables without the prefix. */
export type Config = { readonly [Name in SettingName]: z.infer<(typeof settings)[Name]["parse"]> };

export interface SettingHelp {
  readonly variable: string;
  /** Null where it is a secret: a command line can be read by every user of the machine. */
  readonly flag: string | null;
  readonly fallback: string;
  readonly about: string;
  /** All values, or those of the items of a list; empty if they are not a short closed list. */
  readonly choices: readonly string[];
}

/** The settings in the table's order, for the command line's help. */
export function settingsHelp(machine: Machine): SettingHelp[] {
  return names.map((name) => ({
    variable: prefix + name,
    flag: isSecret(name) ? null : flagOf(name),
    fallback: fallbackOf(name, machine),
    about: settings[name].about,
    choices: choicesOf(name),
  }));
}

export interface SettingText {
  readonly variable: string;
  /** As it was given, or the default. Null where it is a secret that is set. */
  readonly text: string | null;
  readonly isDefault: boolean;
}

/** The text of every setting, in the table's order, for people; without secrets. */
export function settingTexts(environment: Texts, flags: Texts, machine: Machine): SettingText[] {
  return names.map((name) => {
    const { text = "", isDefault } = textOf(name, environment, flags, machine);
    return { variable: prefix + name, text: isSecret(name) && !isDefault ? null : text, isDefault };
  });
}

/** All faults of the settings, one per line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(faults: readonly string[]) {
    super(["The settings cannot be used:", ...faults.map((fault) => `  ${fault}`)].join("\n"));
  }
}

/**
 * Checks the files that the service will write; separate from {@link parseConfig}, since only the service writes them.
 *
 * @throws ConfigError if the cache file cannot be written
 */
export async function checkFiles({ CACHE_FILE }: Config): Promise<void> {
  if (CACHE_FILE === null) return;
  try {
    await checkReplaceable(CACHE_FILE);
  } catch (error) {
    const { code = "unknown error" } = error as NodeJS.ErrnoException;
    throw new ConfigError([`${prefix}CACHE_FILE cannot be written by this user: ${CACHE_FILE} (${code})`]);
  }
}

type Texts = Readonly<Record<string, string | undefined>>;

/**
 * Reads all settings; a flag wins over its variable, and an empty text counts as unset.
 *
 * @param environment with every variable of the process: unknown ones with our prefix are faults, since a typo must not be silent
 * @param flags by the flag's name without dashes at the front (`fetch-timeout-ms`)
 * @throws ConfigError with all faults at once
 */
export function parseConfig(environment: Texts, flags: Texts, machine: Machine): Config {
  const faults = unknownVariables(environment).map((variable) => `${variable} is not a setting${hintFor(variable)}`);
  const values: Partial<Record<SettingName, unknown>> = {};
  for (const name of names) {
    const { label, text, fault } = textOf(name, environment, flags, machine);
    if (fault) faults.push(fault);
    if (text === undefined) continue;
    const parsed = settings[name].parse.safeParse(text);
    if (parsed.success) values[name] = parsed.data;
    else faults.push(...parsed.error.issues.map((issue) => `${label} ${issue.message}`));
  }
  const config = values as Config; // every name without a fault has its value, and any fault throws below
  if (faults.length === 0) faults.push(...faultsTogether(config));
  if (faults.length > 0) throw new ConfigError(faults);
  return config;
}

const names = Object.keys(settings) as SettingName[];

function secretOf(name: SettingName): Setting<unknown>["secret"] {
  const { secret }: Setting<unknown> = settings[name];
  return secret;
}

function choicesOf(name: SettingName): readonly string[] {
  const { choices = [] }: Setting<unknown> = settings[name];
  return choices;
}

function isSecret(name: SettingName): boolean {
  return secretOf(name) !== undefined;
}

function flagOf(name: SettingName): string {
  return name.toLowerCase().replaceAll("_", "-");
}

function fallbackOf(name: SettingName, machine: Machine): string {
  const fallback: Setting<unknown>["fallback"] = settings[name].fallback;
  return typeof fallback === "function" ? fallback(machine) : fallback;
}

interface FoundText {
  /** What the text is called where something is wrong with it. */
  readonly label: string;
  readonly text?: string;
  readonly isDefault: boolean;
  readonly fault?: string;
}

/** Looks where a setting's text may be: the flag, the variable, the file that its twin names; else it is the default. */
function textOf(name: SettingName, environment: Texts, flags: Texts, machine: Machine): FoundText {
  const variable = prefix + name;
  const flag = flags[flagOf(name)];
  if (flag) return { label: `--${flagOf(name)}`, text: flag, isDefault: false };
  const file = isSecret(name) ? environment[`${variable}_FILE`] : undefined;
  if (file && environment[variable]) {
    return { label: variable, isDefault: false, fault: `${variable} and ${variable}_FILE are both set` };
  }
  if (file) {
    try {
      const text = machine.readFile(file).trim();
      const items = secretOf(name) === "list" ? text.replaceAll(/\s+/g, ",") : text;
      return { label: `${variable}_FILE`, text: items, isDefault: false };
    } catch {
      return { label: variable, isDefault: false, fault: `${variable}_FILE names a file that cannot be read` };
    }
  }
  const text = environment[variable] ?? "";
  const isDefault = text === "";
  return { label: variable, text: isDefault ? fallbackOf(name, machine) : text, isDefault };
}

// Kubernetes sets these for a Service named media-oracle; they are not meant for us.
const serviceLink = /^MEDIA_ORACLE_(SERVICE|PORT)_/;

/** A hint for operators who set the client's token instead of the service's: the service would be unprotected. */
function hintFor(variable: string): string {
  if (!/^MEDIA_ORACLE_TOKEN(_FILE)?$/.test(variable)) return "";
  return `: it is for commands that ask a service; the tokens that open this one are ${prefix}TOKENS`;
}

function unknownVariables(environment: Texts): string[] {
  const known = new Set(names.flatMap((name) => [prefix + name, ...(isSecret(name) ? [`${prefix}${name}_FILE`] : [])]));
  return Object.keys(environment).filter(
    (variable) => variable.startsWith(prefix) && !known.has(variable) && !serviceLink.test(variable),
  );
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

/** Faults that no setting has alone. */
function faultsTogether(config: Config): string[] {
  return [...faultsOfAccess(config), ...faultsOfPorts(config), ...faultsOfFreshness(config)];
}

function faultsOfPorts({ PORT, METRICS_PORT }: Config): string[] {
  if (METRICS_PORT === null || METRICS_PORT === 0 || METRICS_PORT !== PORT) return []; // 0: any free port
  return [`${prefix}METRICS_PORT is ${prefix}PORT: the two listeners need different ports`];
}

function faultsOfFreshness({ FRESH_MIN_MS, FRESH_DEFAULT_MS, FRESH_MAX_MS }: Config): string[] {
  if (FRESH_MIN_MS <= FRESH_DEFAULT_MS && FRESH_DEFAULT_MS <= FRESH_MAX_MS) return [];
  return [`${prefix}FRESH_DEFAULT_MS must be between ${prefix}FRESH_MIN_MS and ${prefix}FRESH_MAX_MS`];
}

function faultsOfAccess({ HOST, TOKENS, TOKEN_KEY, AUTH }: Config): string[] {
  if (isLoopback(HOST) || TOKENS.length > 0 || TOKEN_KEY !== null || AUTH === "none") return [];
  return [
    `${prefix}HOST is ${HOST}, which others can reach, but ${prefix}TOKENS and ${prefix}TOKEN_KEY are empty: ` +
      `set tokens or a key, or ${prefix}AUTH=none to serve without tokens`,
  ];
}
