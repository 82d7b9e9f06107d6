/** Address and credentials of a Redis or Valkey server. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** Null for the default user (`requirepass`). */
  readonly username: string | null;
  /** Null if the server needs none. */
  readonly password: string | null;
  readonly database: number;
}

const defaultPort = 6379;

/**
 * Parses `redis://[[user]:password@]host[:port][/database]`; `rediss:` is the same over TLS.
 *
 * @throws Error without any of the text, which may hold a password
 * @see https://www.iana.org/assignments/uri-schemes/prov/redis
 */
export function parseRedisAddress(text: string): RedisAddress {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !["redis:", "rediss:"].includes(url.protocol) || url.hostname === "") {
    throw new Error("must be redis://[[user]:password@]host[:port][/database], or rediss:// for TLS");
  }
  // Some clients take options there. Reject them instead of ignoring them silently.
  if (url.search !== "" || url.hash !== "") throw new Error("must have nothing after ? or #");
  const [, database] = /^\/?(\d{0,5})$/.exec(url.pathname) ?? [];
  if (database === undefined) throw new Error("must have a number, or nothing, for the database");
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? defaultPort : Number(url.port),
    isTls: url.protocol === "rediss:",
    username: decoded(url.username),
    password: decoded(url.password),
    database: Number(database),
  };
}

function decoded(part: string): string | null {
  if (part === "") return null;
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Error("must have user and password percent-encoded");
  }
}
