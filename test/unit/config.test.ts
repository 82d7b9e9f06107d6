import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { checkFiles, ConfigError, type Machine, parseConfig, settingsHelp, settingTexts } from "../../src/config.ts";

const mebibyte = 1024 ** 2;

const tokens = ["first-token-of-two", "second-token-of-two"];

const machine: Machine = {
  version: "1.2.3",
  processors: 2,
  memoryBytes: 8 * 1024 * mebibyte,
  readFile: (path) => {
    if (path === "/run/secrets/tokens") return `${tokens.join("\n")}\n`;
    if (path === "/run/secrets/short-token") return "change-me\n";
    if (path === "/run/secrets/key") return `${"k".repeat(32)}\n`;
    if (path === "/run/secrets/long-key") return `${"k".repeat(64)}\n${"k".repeat(64)}\n`;
    throw new Error("no such file");
  },
};

const parse = (environment: Record<string, string> = {}, flags: Record<string, string> = {}) =>
  parseConfig(environment, flags, machine);

function faultsOf(environment: Record<string, string>, flags: Record<string, string> = {}): string {
  try {
    parse(environment, flags);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error("the settings were accepted");
}

test("without settings the documented defaults apply, every one of them", () => {
  expect(parse()).toEqual({
    HOST: "127.0.0.1",
    PORT: 8080,
    METRICS_PORT: null,
    TRUSTED_PROXIES: [],
    TOKENS: [],
    TOKEN_KEY: null,
    REVOKED_TOKENS: [],
    RATE_LIMIT: null,
    AUTH: "tokens",
    HOSTNAMES: [],
    CORS_ORIGINS: [],
    ALLOW_ADDRESSES: [],
    DENY_ADDRESSES: [],
    ALLOW_HOSTS: [],
    DENY_HOSTS: [],
    ALLOW_PORTS: [
      { from: 80, to: 80 },
      { from: 443, to: 443 },
    ],
    REWRITES: [],
    MAX_BYTES: 67_108_864,
    WHOLE_BYTES: 16 * 1024 ** 2,
    EARLY_STOP: false,
    DECODE_BYTES: 536_870_912,
    FORMATS: ["jpeg", "png", "webp", "gif", "avif", "heic", "jxl", "bmp", "ico", "video", "audio", "pdf"],
    FETCH_TIMEOUT_MS: 15_000,
    CONNECT_TIMEOUT_MS: 3000,
    DECODE_TIMEOUT_MS: 10_000,
    MAX_REDIRECTS: 10,
    FETCH_CONCURRENCY: 64,
    PER_HOST: 16,
    DECODERS: 2,
    QUEUE: 256,
    USER_AGENT: "media-oracle/1.2.3",
    FETCH_BYTES: 268_435_456,
    CACHE_BYTES: 67_108_864,
    CACHE_FILE: null,
    REDIS_URL: null,
    FRESH_MIN_MS: 60_000,
    FRESH_MAX_MS: 604_800_000,
    FRESH_DEFAULT_MS: 3_600_000,
    FAILURE_MS: 60_000,
    LOG_LEVEL: "info",
    SHUTDOWN_MS: 10_000,
  });
});

test("the default User-Agent names the home page of the project, if it has one", () => {
  const { USER_AGENT } = parseConfig({}, {}, { ...machine, homepage: "https://example.org/media-oracle" });
  expect(USER_AGENT).toBe("media-oracle/1.2.3 (+https://example.org/media-oracle)");
});

test("the default User-Agent names no placeholder as the contact", () => {
  const { USER_AGENT } = parseConfig({}, {}, { ...machine, homepage: "https://placeholder.invalid/media-oracle" });
  expect(USER_AGENT).toBe("media-oracle/1.2.3");
});

test("a User-Agent may have a contact in a comment", () => {
  const contact = "media-oracle/1.2.3 (+https://chat.example.org/; admin@chat.example.org)";
  expect(parse({ MEDIA_ORACLE_USER_AGENT: contact }).USER_AGENT).toBe(contact);
});

test("decodes get less memory in a container with less memory", () => {
  const config = parseConfig({}, {}, { ...machine, memoryBytes: 512 * mebibyte });
  expect(config.DECODE_BYTES).toBe(256 * mebibyte);
});

test("decodes get 64 MiB however little memory there is, and an odd number of bytes is rounded down", () => {
  const decodeBytes = (memoryBytes: number) => parseConfig({}, {}, { ...machine, memoryBytes }).DECODE_BYTES;
  expect(decodeBytes(100 * mebibyte)).toBe(64 * mebibyte);
  expect(decodeBytes(300_000_001)).toBe(150_000_000);
});

test("at most four decoders are started by default", () => {
  expect(parseConfig({}, {}, { ...machine, processors: 32 }).DECODERS).toBe(4);
});

const dayMs = 86_400_000;

test.each([
  ["PORT", 0, 65_535],
  ["METRICS_PORT", 0, 65_535],
  ["RATE_LIMIT", 1, 1_000_000],
  ["MAX_BYTES", 1, 2 ** 31],
  ["WHOLE_BYTES", 0, 2 ** 31],
  ["DECODE_BYTES", 1, 2 ** 40],
  ["FETCH_TIMEOUT_MS", 1, 600_000],
  ["CONNECT_TIMEOUT_MS", 1, 60_000],
  ["DECODE_TIMEOUT_MS", 1, 600_000],
  ["MAX_REDIRECTS", 0, 20],
  ["FETCH_CONCURRENCY", 1, 10_000],
  ["PER_HOST", 1, 10_000],
  ["DECODERS", 1, 64],
  ["QUEUE", 0, 100_000],
  ["FETCH_BYTES", 1, 2 ** 40],
  ["CACHE_BYTES", 1, 2 ** 40],
  ["FAILURE_MS", 1, dayMs],
  ["SHUTDOWN_MS", 0, dayMs],
])("%s accepts numbers from %d to %d, and no others", (name, least, most) => {
  const parseNumber = (number: number) => parse({ [`MEDIA_ORACLE_${name}`]: String(number) });
  expect(parseNumber(least)).toHaveProperty(name, least);
  expect(parseNumber(most)).toHaveProperty(name, most);
  expect(() => parseNumber(least - 1)).toThrow(`MEDIA_ORACLE_${name} must be`);
  expect(() => parseNumber(most + 1)).toThrow(`MEDIA_ORACLE_${name} must be`);
});

test("all times of freshness may be equal, of 1 ms or of a year", () => {
  const parseTimes = (text: string) =>
    parse({
      MEDIA_ORACLE_FRESH_MIN_MS: text,
      MEDIA_ORACLE_FRESH_DEFAULT_MS: text,
      MEDIA_ORACLE_FRESH_MAX_MS: text,
    });
  expect(parseTimes("1")).toMatchObject({ FRESH_MIN_MS: 1, FRESH_DEFAULT_MS: 1, FRESH_MAX_MS: 1 });
  expect(parseTimes("365d").FRESH_MIN_MS).toBe(365 * dayMs);
  for (const wrong of ["0", "366d", String(365 * dayMs + 1)]) {
    const faults = faultsOf({
      MEDIA_ORACLE_FRESH_MIN_MS: wrong,
      MEDIA_ORACLE_FRESH_DEFAULT_MS: wrong,
      MEDIA_ORACLE_FRESH_MAX_MS: wrong,
    });
    for (const name of ["MIN", "DEFAULT", "MAX"]) expect(faults).toContain(`MEDIA_ORACLE_FRESH_${name}_MS must be at`);
  }
});

test("the default time of freshness is between the shortest and the longest", () => {
  const fault = "MEDIA_ORACLE_FRESH_DEFAULT_MS must be between MEDIA_ORACLE_FRESH_MIN_MS and MEDIA_ORACLE_FRESH_MAX_MS";
  expect(faultsOf({ MEDIA_ORACLE_FRESH_MIN_MS: "2h" })).toContain(fault);
  expect(faultsOf({ MEDIA_ORACLE_FRESH_MAX_MS: "59m" })).toContain(fault);
});

test("one fault of a setting hides no other, but faults of several settings together are reported afterwards", () => {
  const together = { MEDIA_ORACLE_FRESH_MIN_MS: "2h", MEDIA_ORACLE_HOST: "0.0.0.0", MEDIA_ORACLE_METRICS_PORT: "8080" };
  expect(faultsOf(together).split("\n")).toHaveLength(4);
  expect(faultsOf({ ...together, MEDIA_ORACLE_QUEUE: "many" }).split("\n")).toHaveLength(2);
});

test("the help of a setting has its variable, its flag unless it is a secret, its default and its choices", () => {
  const help = (name: string) => settingsHelp(machine).find(({ variable }) => variable === `MEDIA_ORACLE_${name}`);
  expect(help("FETCH_TIMEOUT_MS")).toMatchObject({ flag: "fetch-timeout-ms", fallback: "15s", choices: [] });
  expect(help("DECODE_BYTES")).toMatchObject({ flag: "decode-bytes", fallback: "512MiB" });
  expect(help("AUTH")).toMatchObject({ flag: "auth", fallback: "tokens", choices: ["tokens", "none"] });
  expect(help("EARLY_STOP")).toMatchObject({ fallback: "false", choices: ["true", "false"] });
  expect(help("REDIS_URL")).toMatchObject({ flag: null, fallback: "" });
});

test("the texts of the settings say which are defaults, and have no secret that is set", () => {
  const texts = settingTexts(
    { MEDIA_ORACLE_QUEUE: "256", MEDIA_ORACLE_TOKENS: tokens[0], MEDIA_ORACLE_PORT: "1" },
    { port: "9000" },
    machine,
  );
  const textOf = (name: string) => texts.find(({ variable }) => variable === `MEDIA_ORACLE_${name}`);
  expect(textOf("QUEUE")).toMatchObject({ text: "256", isDefault: false });
  expect(textOf("PORT")).toMatchObject({ text: "9000", isDefault: false });
  expect(textOf("MAX_BYTES")).toMatchObject({ text: "64MiB", isDefault: true });
  expect(textOf("TOKENS")).toMatchObject({ text: null, isDefault: false });
  expect(textOf("TOKEN_KEY")).toMatchObject({ text: "", isDefault: true });
});

test.each([
  { MEDIA_ORACLE_TOKENS_FILE: "/run/secrets/tokens" },
  { MEDIA_ORACLE_TOKENS_FILE: "/nowhere" },
  { MEDIA_ORACLE_TOKENS_FILE: "/run/secrets/tokens", MEDIA_ORACLE_TOKENS: tokens[0] },
])("a secret from a file has no text, whether or not the file can be read: %j", (environment) => {
  const found = settingTexts(environment, {}, machine).find(({ variable }) => variable === "MEDIA_ORACLE_TOKENS");
  expect(found).toMatchObject({ text: null, isDefault: false });
});

test("a cache file in a folder that does not exist is a fault, and no cache file is none", async () => {
  await expect(checkFiles(parse())).resolves.toBeUndefined();
  await expect(checkFiles(parse({ MEDIA_ORACLE_CACHE_FILE: "/nowhere/cache" }))).rejects.toThrow(
    "MEDIA_ORACLE_CACHE_FILE cannot be written by this user: /nowhere/cache (ENOENT)",
  );
});

test("sizes and times may have a unit; without one they are bytes and milliseconds", () => {
  const sizes = {
    "1000": 1000,
    "100B": 100,
    "5kB": 5000,
    "64MB": 64e6,
    "1GB": 1e9,
    "5KiB": 5120,
    "64MiB": 2 ** 26,
    "1 GiB": 2 ** 30,
  };
  expect(parse({ MEDIA_ORACLE_FETCH_BYTES: "1TiB" }).FETCH_BYTES).toBe(2 ** 40);
  for (const [text, count] of Object.entries(sizes))
    expect(parse({ MEDIA_ORACLE_MAX_BYTES: text }).MAX_BYTES).toBe(count);
  const times = { "200": 200, "200ms": 200, "15s": 15_000, "2m": 120_000, "1 h": 3_600_000, "1d": 86_400_000 };
  for (const [text, ms] of Object.entries(times)) {
    expect(parse({}, { "failure-ms": text }).FAILURE_MS).toBe(ms);
  }
});

test("a size or a time in an unknown unit, of another kind or out of range is rejected, and the units are named", () => {
  const size = "of B, or with a unit, like 64MiB (B, kB, MB, GB, KiB, MiB, GiB, TiB)";
  for (const unit of ["mb", "M", "s", "Mib", "constructor"]) {
    expect(faultsOf({ MEDIA_ORACLE_MAX_BYTES: `64${unit}` })).toContain(
      `MEDIA_ORACLE_MAX_BYTES has the unknown unit ${unit}: it must be a number ${size}`,
    );
  }
  for (const text of ["1.5MiB", "-1", "MiB", "1e3", "64 MiB x"]) {
    expect(faultsOf({ MEDIA_ORACLE_MAX_BYTES: text })).toContain(`must be a whole number ${size}`);
  }
  expect(faultsOf({ MEDIA_ORACLE_MAX_BYTES: "3GiB" })).toContain("must be at most 2147483648 B");
  expect(faultsOf({}, { "fetch-timeout-ms": "15M" })).toContain(
    "--fetch-timeout-ms has the unknown unit M: it must be a number of ms, or with a unit, like 15s (ms, s, m, h, d)",
  );
  expect(faultsOf({}, { "fetch-timeout-ms": "1h" })).toContain("--fetch-timeout-ms must be at most 600000 ms");
});

test("a number that is no size and no time has no unit", () => {
  for (const name of ["PORT", "DECODERS", "QUEUE"]) {
    expect(faultsOf({ [`MEDIA_ORACLE_${name}`]: "1s" })).toContain(`MEDIA_ORACLE_${name} must be a whole number`);
  }
});

test("a flag overrides its variable", () => {
  expect(parse({ MEDIA_ORACLE_PORT: "1000" }, { port: "2000" }).PORT).toBe(2000);
});

test("an empty variable is ignored", () => {
  expect(parse({ MEDIA_ORACLE_PORT: "", MEDIA_ORACLE_TOKENS: "" })).toMatchObject({ PORT: 8080, TOKENS: [] });
});

test("tokens are read from a comma-separated list, or from a file with one a line", () => {
  expect(parse({ MEDIA_ORACLE_TOKENS: tokens.join(",") }).TOKENS).toEqual(tokens);
  expect(parse({ MEDIA_ORACLE_TOKENS_FILE: "/run/secrets/tokens" }).TOKENS).toEqual(tokens);
});

test("tokens from both a variable and a file, or from a missing file, are a fault", () => {
  expect(faultsOf({ MEDIA_ORACLE_TOKENS: tokens[0]!, MEDIA_ORACLE_TOKENS_FILE: "/run/secrets/tokens" })).toContain(
    "both set",
  );
  expect(faultsOf({ MEDIA_ORACLE_TOKENS_FILE: "/nowhere" })).toMatch(
    /:\n {2}MEDIA_ORACLE_TOKENS_FILE .* cannot be read$/,
  );
});

test("a fault in a token does not print the token", () => {
  for (const secret of ["secret", "secret with a space in it"]) {
    const faults = faultsOf({ MEDIA_ORACLE_TOKENS: `${tokens[0]},${secret}` });
    expect(faults).toContain("MEDIA_ORACLE_TOKENS");
    expect(faults).not.toContain(secret);
  }
});

test("a token of fewer than 16 characters is rejected, also among others and from a file", () => {
  const short = "MEDIA_ORACLE_TOKENS has a token of fewer than 16 characters";
  expect(faultsOf({ MEDIA_ORACLE_TOKENS: "change-me" })).toContain(short);
  expect(faultsOf({ MEDIA_ORACLE_TOKENS: `${tokens[0]},${"a".repeat(15)}` })).toContain(short);
  expect(faultsOf({ MEDIA_ORACLE_TOKENS_FILE: "/run/secrets/short-token" })).toContain("fewer than 16 characters");
  expect(parse({ MEDIA_ORACLE_TOKENS: "a".repeat(16) }).TOKENS).toEqual(["a".repeat(16)]);
});

test("a secret has no flag: every user of the machine could read it", () => {
  expect(settingsHelp(machine).find(({ variable }) => variable === "MEDIA_ORACLE_TOKENS")?.flag).toBeNull();
});

test("the key of named tokens has at least 32 characters, from the environment or a file, and is never printed", () => {
  const short = "s".repeat(31);
  expect(faultsOf({ MEDIA_ORACLE_TOKEN_KEY: short })).toContain("MEDIA_ORACLE_TOKEN_KEY must be at least 32");
  expect(faultsOf({ MEDIA_ORACLE_TOKEN_KEY: short })).not.toContain(short);
  expect(parse({ MEDIA_ORACLE_TOKEN_KEY: `${short}s` }).TOKEN_KEY).toBe(`${short}s`);
  expect(parse({ MEDIA_ORACLE_TOKEN_KEY_FILE: "/run/secrets/key" }).TOKEN_KEY).toBe("k".repeat(32));
  expect(faultsOf({ MEDIA_ORACLE_TOKEN_KEY_FILE: "/run/secrets/long-key" })).toContain("MEDIA_ORACLE_TOKEN_KEY_FILE");
  expect(settingsHelp(machine).find(({ variable }) => variable === "MEDIA_ORACLE_TOKEN_KEY")?.flag).toBeNull();
});

test("an invalid address of Redis is a fault that does not repeat its password", () => {
  const faults = faultsOf({ MEDIA_ORACLE_REDIS_URL: "http://:planted-secret-text@localhost" });
  expect(faults).toMatch(/:\n {2}MEDIA_ORACLE_REDIS_URL .*redis/);
  expect(faults).not.toContain("planted-secret-text");
});

test("the address to listen on is localhost or an IP address", () => {
  for (const host of ["localhost", "127.0.0.1", "::1"]) expect(parse({ MEDIA_ORACLE_HOST: host }).HOST).toBe(host);
  for (const host of ["chat.example.org", "127.0.0", "127.0.0.1:80", "[::1]"]) {
    expect(faultsOf({ MEDIA_ORACLE_HOST: host })).toContain("MEDIA_ORACLE_HOST must be an IP address or localhost");
  }
});

test("revoked names must be valid token names", () => {
  expect(parse({ MEDIA_ORACLE_REVOKED_TOKENS: "a.example.org, b_2" }).REVOKED_TOKENS).toEqual(["a.example.org", "b_2"]);
  expect(faultsOf({ MEDIA_ORACLE_REVOKED_TOKENS: "a b" })).toContain("MEDIA_ORACLE_REVOKED_TOKENS");
});

test("host names are converted to lower case, and other texts are rejected", () => {
  expect(parse({ MEDIA_ORACLE_HOSTNAMES: "Media.example.org, oracle,oracle_1" }).HOSTNAMES).toEqual([
    "media.example.org",
    "oracle",
    "oracle_1",
  ]);
  for (const wrong of ["https://media.example.org", "media.example.org:443", "*.example.org", "a..b", "[::1]"]) {
    expect(faultsOf({ MEDIA_ORACLE_HOSTNAMES: wrong })).toContain(`"${wrong}" is not a host name`);
  }
});

test("there is no rate limit by default, and a limit of 0 is rejected", () => {
  expect(parse({ MEDIA_ORACLE_RATE_LIMIT: "60" }).RATE_LIMIT).toBe(60);
  expect(faultsOf({ MEDIA_ORACLE_RATE_LIMIT: "0" })).toContain("MEDIA_ORACLE_RATE_LIMIT must be at least 1");
  expect(faultsOf({ MEDIA_ORACLE_RATE_LIMIT: "few" })).toContain("MEDIA_ORACLE_RATE_LIMIT must be a whole number");
});

test("all faults are reported at once", () => {
  const message = faultsOf({
    MEDIA_ORACLE_PORT: "eighty",
    MEDIA_ORACLE_MAX_BYTES: "-1",
    MEDIA_ORACLE_FORMATS: "jpeg,exe",
    MEDIA_ORACLE_ALLOW_ADDRESSES: "10.0.0.0/33",
    MEDIA_ORACLE_REWRITES: "nonsense",
  });
  for (const name of ["PORT", "MAX_BYTES", "FORMATS", "ALLOW_ADDRESSES", "REWRITES"]) {
    expect(message).toContain(`MEDIA_ORACLE_${name} `);
  }
});

test("an unknown variable with our prefix is a fault: a typo must not be silent", () => {
  expect(faultsOf({ MEDIA_ORACLE_ALOW_PORTS: "80" })).toMatch(/ MEDIA_ORACLE_ALOW_PORTS is not a setting$/);
});

test.each(["MEDIA_ORACLE_TOKEN", "MEDIA_ORACLE_TOKEN_FILE"])(
  "%s, the client's, is a fault that names TOKENS",
  (name) => {
    expect(faultsOf({ [name]: "x" })).toMatch(
      new RegExp(` ${name} is not a setting: it is for commands .* MEDIA_ORACLE_TOKENS$`),
    );
  },
);

test("Kubernetes' service links are ignored, but one in place of the port is explained", () => {
  expect(parse({ MEDIA_ORACLE_SERVICE_HOST: "10.0.0.1", MEDIA_ORACLE_PORT_8080_TCP: "tcp://10.0.0.1:8080" }).PORT).toBe(
    8080,
  );
  expect(faultsOf({ MEDIA_ORACLE_PORT: "tcp://10.0.0.1:8080" })).toContain("enableServiceLinks");
});

test("without tokens an address that is not loopback is rejected, unless AUTH=none is set", () => {
  expect(faultsOf({ MEDIA_ORACLE_HOST: "0.0.0.0" })).toContain("MEDIA_ORACLE_TOKENS");
  expect(faultsOf({ MEDIA_ORACLE_HOST: "::" })).toContain("MEDIA_ORACLE_TOKENS");
  expect(parse({ MEDIA_ORACLE_HOST: "0.0.0.0", MEDIA_ORACLE_AUTH: "none" }).HOST).toBe("0.0.0.0");
  expect(parse({ MEDIA_ORACLE_HOST: "0.0.0.0", MEDIA_ORACLE_TOKENS: tokens[0]! }).HOST).toBe("0.0.0.0");
  expect(parse({ MEDIA_ORACLE_HOST: "0.0.0.0", MEDIA_ORACLE_TOKEN_KEY: "k".repeat(32) }).HOST).toBe("0.0.0.0");
  expect(parse({ MEDIA_ORACLE_HOST: "127.0.0.2" }).HOST).toBe("127.0.0.2");
  expect(parse({ MEDIA_ORACLE_HOST: "::1" }).HOST).toBe("::1");
});

test("addresses, ports and rewrites are parsed into the SSRF guard's options", () => {
  const config = parse({
    MEDIA_ORACLE_ALLOW_ADDRESSES: "10.0.0.0/8, 127.0.0.1/32:5280",
    MEDIA_ORACLE_ALLOW_PORTS: "443,8000-8999",
    MEDIA_ORACLE_REWRITES: "https://upload.example.org/=>http://10.0.0.5:5280/",
  });
  expect(config.ALLOW_ADDRESSES.map(({ port }) => port ?? null)).toEqual([null, 5280]);
  expect(config.ALLOW_PORTS).toHaveLength(2);
  expect(config.REWRITES).toHaveLength(1);
});

test("every setting is read somewhere besides its row in the table", () => {
  const folder = fileURLToPath(new URL("../../src", import.meta.url));
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const text = files
    .map((file) => readFileSync(join(folder, file), "utf8").replace(/^const settings = \{[^]*?^\} satisfies/m, ""))
    .join("\n");
  const names = settingsHelp(machine).map(({ variable }) => variable.replace("MEDIA_ORACLE_", ""));
  expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([]);
});

test("origins of CORS are written as browsers send them", () => {
  const text = "https://Chat.example.org:443, http://localhost:5173,*";
  expect(parse({ MEDIA_ORACLE_CORS_ORIGINS: text }).CORS_ORIGINS).toEqual([
    "https://chat.example.org",
    "http://localhost:5173",
    "*",
  ]);
  for (const wrong of [
    "chat.example.org",
    "https://chat.example.org/",
    "null",
    "*.example.org",
    "https://a@b.example",
  ]) {
    expect(faultsOf({ MEDIA_ORACLE_CORS_ORIGINS: wrong })).toContain(`"${wrong}" is not an origin`);
  }
});

test("trusted proxies are addresses and CIDRs, and a block of all addresses is a fault", () => {
  const { TRUSTED_PROXIES } = parse({ MEDIA_ORACLE_TRUSTED_PROXIES: "10.0.0.5, 2001:db8::/32" });
  expect(TRUSTED_PROXIES.map(({ bits }) => bits)).toEqual([32, 32]);
  for (const wrong of ["0.0.0.0/0", "::/0", "proxy.example.org", "10.0.0.5/8", "10.0.0.5:80", "::ffff:10.0.0.5"]) {
    expect([wrong, faultsOf({ MEDIA_ORACLE_TRUSTED_PROXIES: wrong })]).toEqual([
      wrong,
      expect.stringContaining("MEDIA_ORACLE_TRUSTED_PROXIES"),
    ]);
  }
});

test("the port of the metrics listener differs from that of the API", () => {
  expect(parse({ MEDIA_ORACLE_METRICS_PORT: "9464" }).METRICS_PORT).toBe(9464);
  expect(parse({ MEDIA_ORACLE_METRICS_PORT: "0", MEDIA_ORACLE_PORT: "0" }).METRICS_PORT).toBe(0);
  expect(faultsOf({ MEDIA_ORACLE_METRICS_PORT: "8080" })).toContain("MEDIA_ORACLE_METRICS_PORT");
  expect(faultsOf({ MEDIA_ORACLE_METRICS_PORT: "tcp://10.0.0.1:9464" })).toContain("enableServiceLinks");
});
