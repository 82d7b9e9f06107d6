import { Redis, ReplyError } from "ioredis";
import type { RedisAddress } from "./redis-address.ts";

/** `refusing`: it answers, but takes nothing: full, read-only, or without the right to write. */
export type RedisState = "ready" | "refusing" | "away";

export interface RedisOptions {
  readonly address: RedisAddress;
  /** Every call ends within, with an answer or an error. */
  readonly timeoutMs: number;
  /** So do connecting, and what is said then, within this each; nobody waits for it. */
  readonly connectTimeoutMs: number;
  /** Between two attempts to connect, and between two looks whether it takes something again. */
  readonly retryMs: number;
  /** All keys and channels begin so. */
  readonly keyPrefix: string;
}

/** Redis or Valkey that may be away at any time: a call fails at once while it is. It comes back by itself. */
export interface BoundedRedis {
  readonly state: RedisState;
  /** Its answers go through {@link read} or {@link write}. */
  readonly client: Redis;
  /** The answer to a command that reads, in time. Rejects otherwise: the caller goes on without. */
  read<T>(command: () => Promise<T>): Promise<T>;
  /** The same for one that writes: where it is refused, {@link state} tells. */
  write<T>(command: () => Promise<T>): Promise<T>;
  /** Tells others on the channel. Rejects as {@link read} does. */
  publish(channel: string, message: string): Promise<unknown>;
  /** Tells what is published on the channel, also by this client, while it is connected: what is missed is lost. */
  subscribe(channel: string, onMessage: (message: string) => void): void;
  /**
   * Tells each change of {@link state} from now on, and where it was never there that it is away.
   *
   * `reason` is a code of the system, of TLS or of Redis (`ECONNREFUSED`, `CERT_HAS_EXPIRED`, `WRONGPASS`, `OOM`), where there is one.
   */
  onChange(listener: (state: RedisState, reason: string | null) => void): void;
  /** Calls so far, and how many of them failed. */
  readonly calls: number;
  readonly failures: number;
  close(): void;
}

// A value of another kind under our key: the server is well, and takes other writes.
const harmless = /^WRONGTYPE\b/;

function isRefusal(error: unknown): boolean {
  return error instanceof ReplyError && !harmless.test((error as Error).message);
}

/** The code alone: messages and what ioredis adds to them hold the command, and so may hold the password. */
function reasonOf(error: unknown): string | null {
  const { code, message } = error as NodeJS.ErrnoException;
  const [word] = /^[A-Z]{2,}\b/.exec(message) ?? [];
  return code ?? word ?? null;
}

/**
 * Connects, and stays connected as well as it can.
 *
 * The connection is the breaker: one answer that does not come in time closes it, and until the next one is open and was answered on,
 * calls fail at once. Nothing waits for a connection, and nothing is sent twice.
 */
export function createRedis({ address, timeoutMs, connectTimeoutMs, retryMs, keyPrefix }: RedisOptions): BoundedRedis {
  const { host, port, username, password, database, isTls } = address;
  const redis = new Redis({
    host,
    port,
    db: database,
    ...(username !== null && { username }),
    ...(password !== null && { password }),
    // Whatever NODE_TLS_REJECT_UNAUTHORIZED says. An authority of one's own: NODE_EXTRA_CA_CERTS.
    ...(isTls && { tls: { rejectUnauthorized: true } }),
    keyPrefix,
    protocol: 3, // subscribes and asks on one connection
    connectTimeout: connectTimeoutMs,
    socketTimeout: connectTimeoutMs,
    disconnectTimeout: timeoutMs, // for the other side to say goodbye
    // All replicas lose it in the same moment: they shall not come back in the same moment.
    retryStrategy: () => retryMs * (0.5 + Math.random()),
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false, // it would leave a rejection unhandled
    enableReadyCheck: false, // INFO is a right that not every user has; who still loads says so to each command
    disableClientInfo: true,
  });
  const listeners: ((state: RedisState, reason: string | null) => void)[] = [];
  const channels = new Map<string, (message: string) => void>();
  let isConnected = false;
  let isRefusing = false;
  let told: RedisState | null = null;
  let reason: string | null = null;
  let calls = 0;
  let failures = 0;

  const state = (): RedisState => (isConnected ? (isRefusing ? "refusing" : "ready") : "away");

  function tell() {
    const now = state();
    if (told === now) return;
    told = now;
    for (const listener of listeners) listener(now, now === "ready" ? null : reason);
  }

  async function read<T>(command: () => Promise<T>): Promise<T> {
    calls += 1;
    try {
      if (!isConnected) throw new Error("not connected");
      return await inTime(command());
    } catch (error) {
      failures += 1;
      throw error;
    }
  }

  async function write<T>(command: () => Promise<T>): Promise<T> {
    try {
      const answer = await read(command);
      isRefusing = false;
      return answer;
    } catch (error) {
      if (isRefusal(error)) {
        isRefusing = true;
        reason = reasonOf(error);
      }
      throw error;
    } finally {
      tell();
    }
  }

  async function inTime<T>(answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      // Not ioredis' own time limit: where this process was busy for so long, the answer is there, and read after the timers.
      timer = setTimeout(() => setImmediate(resolve, null), timeoutMs);
    });
    try {
      const first = await Promise.race([answer.then((value) => ({ value })), late]);
      if (first) return first.value;
    } finally {
      clearTimeout(timer);
    }
    drop();
    throw new Error("no answer in time");
  }

  /** Closes the connection: answers come in order, so that all that is asked next would be late as well. */
  function drop() {
    if (!isConnected) return; // another call was late, too
    isConnected = false;
    reason = "ETIMEDOUT";
    tell();
    redis.disconnect(true);
  }

  // Also where nobody asks for anything it shall be seen that it takes something again.
  const probe = setInterval(() => {
    if (isRefusing) write(() => redis.set("probe", "", "PX", timeoutMs)).catch(() => undefined);
  }, retryMs);
  probe.unref();

  redis.on("ready", () => {
    isConnected = true;
    tell();
    for (const channel of channels.keys()) redis.subscribe(keyPrefix + channel).catch(() => undefined);
  });
  redis.on("close", () => {
    isConnected = false;
    tell();
  });
  redis.on("error", (error) => void (reason = reasonOf(error))); // a close follows
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
