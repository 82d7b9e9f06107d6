import { Redis, ReplyError } from "ioredis";
import type { RedisAddress } from "./redis-address.ts";

/** `refusing`: reads work, writes do not: full, read-only, or no permission. `away`: unavailable. */
export type RedisState = "ready" | "refusing" | "away";

export interface RedisOptions {
  readonly address: RedisAddress;
  /** Timeout of a call. */
  readonly timeoutMs: number;
  /** Timeout of a connection attempt, and of each command of its handshake; no call waits for it. */
  readonly connectTimeoutMs: number;
  /** Mean pause between connection attempts, and between write probes while `refusing`. */
  readonly retryMs: number;
  /** Prefix of all keys and channels. */
  readonly keyPrefix: string;
}

/** Longest wait of a lookup for a call. Half a second between reconnects: a Redis that returns is used soon, and not flooded before. */
export const redisLimits = { timeoutMs: 200, connectTimeoutMs: 1000, retryMs: 500, keyPrefix: "media-oracle:" };

/** A Redis or Valkey client with a circuit breaker: while the server is unavailable, calls fail at once. It reconnects. */
export interface BoundedRedis {
  readonly state: RedisState;
  /** Call its commands only inside {@link read} or {@link write}. */
  readonly client: Redis;
  /** Runs a command that reads. Rejects on an error or a timeout; the caller continues without the answer. */
  read<T>(command: () => Promise<T>): Promise<T>;
  /** Runs a command that writes; an error reply sets {@link state} to `refusing`. */
  write<T>(command: () => Promise<T>): Promise<T>;
  /** Publishes on a channel. Rejects as {@link read} does. */
  publish(channel: string, message: string): Promise<unknown>;
  /** Calls back for each message on the channel, also for our own. Messages during an outage are lost. */
  subscribe(channel: string, onMessage: (message: string) => void): void;
  /**
   * Calls back for each change of {@link state} or of its reason from now on: once per change, not once per attempt. Nothing
   * is reported before the first handshake has ended.
   *
   * `reason` is an error code of the system, TLS or Redis (`ECONNREFUSED`, `CERT_HAS_EXPIRED`, `WRONGPASS`, `OOM`), or null if
   * it is ready, or if the connection was closed without an error.
   */
  onChange(listener: (state: RedisState, reason: string | null) => void): void;
  /** Number of calls, and of failed ones. */
  readonly calls: number;
  readonly failures: number;
  close(): void;
}

// Error reply of a healthy server: the value has another type.
const harmless = /^WRONGTYPE\b/;

const timeoutReason = "ETIMEDOUT";

function isRefusal(error: unknown): boolean {
  return error instanceof ReplyError && !harmless.test((error as Error).message);
}

/** An error of ioredis. */
interface RedisError extends NodeJS.ErrnoException {
  /** Of a transaction that was discarded: why its commands were refused. */
  readonly previousErrors?: readonly RedisError[];
}

/** Returns only the code: the messages of ioredis include the command, which may hold the password. */
function reasonOf(error: unknown): string | null {
  const { code, message, previousErrors } = error as RedisError;
  // Not EXECABORT: with other writes in between, the reason would change with each command.
  if (previousErrors?.[0]) return reasonOf(previousErrors[0]);
  if (/^Socket timeout\b/.test(message)) return timeoutReason; // of ioredis, without a code
  const [word] = /^[A-Z]{2,}\b/.exec(message) ?? [];
  return code ?? word ?? null;
}

/**
 * Connects, and reconnects after each loss.
 *
 * The connection is the circuit breaker: one timeout closes it (breaker open), and calls fail at once until the next connection
 * is ready (breaker closed). No call waits for a connection, and no command is sent twice.
 */
export function createRedis({ address, timeoutMs, connectTimeoutMs, retryMs, keyPrefix }: RedisOptions): BoundedRedis {
  const { host, port, username, password, database, isTls } = address;
  const redis = new Redis({
    host,
    port,
    db: database,
    ...(username !== null && { username }),
    ...(password !== null && { password }),
    // Overrides NODE_TLS_REJECT_UNAUTHORIZED. For a private CA: NODE_EXTRA_CA_CERTS.
    ...(isTls && { tls: { rejectUnauthorized: true } }),
    keyPrefix,
    protocol: 3, // RESP3: subscriptions and commands on one connection
    connectTimeout: connectTimeoutMs,
    socketTimeout: connectTimeoutMs,
    disconnectTimeout: timeoutMs, // for the server to close its side
    // Jitter: all replicas lose the server at once, and must not all reconnect at once.
    retryStrategy: () => retryMs * (0.5 + Math.random()),
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false, // has unhandled rejections, which end the process
    enableReadyCheck: false, // sends INFO, which needs a permission; a loading server rejects each command anyway
    disableClientInfo: true,
  });
  const listeners: ((state: RedisState, reason: string | null) => void)[] = [];
  const channels = new Map<string, (message: string) => void>();
  let isConnected = false;
  let hasHandshakeEnded = false;
  /** The latest write was refused. */
  let refusal: { readonly reason: string | null } | null = null;
  /** First error of the current connection or attempt. */
  let connectionError: string | null = null;
  /** Why the last connection or attempt ended. */
  let outageReason: string | null = null;
  let reported: { readonly state: RedisState; readonly reason: string | null } | null = null;
  let calls = 0;
  let failures = 0;

  const state = (): RedisState => (isConnected ? (refusal ? "refusing" : "ready") : "away");

  function reportChange() {
    // A call before that fails, but says nothing about Redis.
    if (!hasHandshakeEnded) return;
    const now = { state: state(), reason: isConnected ? (refusal?.reason ?? null) : outageReason };
    if (reported?.state === now.state && reported.reason === now.reason) return;
    reported = now;
    for (const listener of listeners) listener(now.state, now.reason);
  }

  async function read<T>(command: () => Promise<T>): Promise<T> {
    calls += 1;
    try {
      if (!isConnected) throw new Error("not connected");
      return await withTimeout(command());
    } catch (error) {
      failures += 1;
      throw error;
    }
  }

  async function write<T>(command: () => Promise<T>): Promise<T> {
    try {
      const answer = await read(command);
      refusal = null;
      return answer;
    } catch (error) {
      if (isRefusal(error)) refusal = { reason: reasonOf(error) };
      throw error;
    } finally {
      reportChange();
    }
  }

  async function withTimeout<T>(answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      // Not the timeout of ioredis: after a blocked event loop the answer waits in the socket, which is read after the timers.
      timer = setTimeout(() => setImmediate(resolve, null), timeoutMs);
    });
    try {
      const first = await Promise.race([answer.then((value) => ({ value })), late]);
      if (first) return first.value;
    } finally {
      clearTimeout(timer);
    }
    closeConnection();
    throw new Error("timeout");
  }

  /** Opens the circuit breaker: replies arrive in order, so all later ones would be late too. */
  function closeConnection() {
    if (!isConnected) return; // another call has timed out before
    isConnected = false;
    connectionError ??= timeoutReason;
    outageReason = connectionError;
    reportChange();
    redis.disconnect(true);
  }

  // Without traffic, a probe notices that writes work again.
  const probe = setInterval(() => {
    if (refusal) write(() => redis.set("probe", "", "PX", timeoutMs)).catch(() => undefined);
  }, retryMs);
  probe.unref();

  redis.on("ready", () => {
    isConnected = true;
    hasHandshakeEnded = true;
    reportChange();
    for (const channel of channels.keys()) redis.subscribe(keyPrefix + channel).catch(() => undefined);
  });
  redis.on("close", () => {
    isConnected = false;
    hasHandshakeEnded = true;
    outageReason = connectionError;
    connectionError = null;
    reportChange();
  });
  redis.on("error", (error) => void (connectionError ??= reasonOf(error))); // a close follows
  redis.on("message", (channel, message) => channels.get(channel.slice(keyPrefix.length))?.(message));

  return {
    get state() {
      return state();
    },
    get calls() {
      return calls;
    },
    get failures() {
      return failures;
    },
    client: redis,
    read,
    write,
    publish: (channel, message) => read(() => redis.publish(keyPrefix + channel, message)),
    subscribe(channel, onMessage) {
      channels.set(channel, onMessage);
      if (isConnected) redis.subscribe(keyPrefix + channel).catch(() => undefined);
    },
    onChange: (listener) => void listeners.push(listener),
    close() {
      clearInterval(probe);
      redis.disconnect();
    },
  };
}
