import type { Server } from "node:net";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";

/** The maximum number of open inbound connections, and the file descriptors that are reserved for all other uses. */
export interface ConnectionLimit {
  readonly maxConnections: number;
  /** Descriptors that the process may have open; Infinity if there is no limit or none is known. */
  readonly maxDescriptors: number;
  /** Descriptors that everything but inbound connections needs at most. */
  readonly reservedDescriptors: number;
}

export interface DescriptorUse {
  /** Fetches at once. */
  readonly fetches: number;
  /** Worker processes. */
  readonly workers: number;
}

// A fetch: 1 connection whose body is read, + 4 for a range request at the same time. Those 4 are parallel connection
// attempts (Happy Eyeballs), or before them at most 4 sockets to name servers.
const descriptorsPerFetch = 1 + 4;

// A worker: its channel, and stderr until it is ready.
const descriptorsPerWorker = 2;

// Node itself, standard streams and listening sockets: 22, measured. The start of a worker and of ffmpeg: 2 x 6.
// getaddrinfo in 4 threads: 4 x 2. Redis, the tracing collector, the cache file, the log: 2 + 4 + 2 + 6. The metrics listener:
// 2 + 6 connections. Sum 64.
const descriptorsOfProgram = 64;

// Connections without a descriptor limit: 10,000 x 20 kB of memory = 200 MB while all of them are idle.
const mostConnections = 10_000;

// If there are too few descriptors for the reserve, connections get a quarter of all. The reserve is for the peak of all
// fetches, so the service works with less: without a free descriptor, a single fetch or worker start fails.
const leastShare = 1 / 4;

const reportEveryMs = 60_000;

/** Derives the limit from the descriptors, with a reserve for the fetches, the workers and the program itself. */
export function connectionLimitOf(maxDescriptors: number, { fetches, workers }: DescriptorUse): ConnectionLimit {
  const reservedDescriptors = descriptorsOfProgram + fetches * descriptorsPerFetch + workers * descriptorsPerWorker;
  const free = Math.max(maxDescriptors - reservedDescriptors, Math.floor(maxDescriptors * leastShare), 1);
  return { maxConnections: Math.min(mostConnections, free), maxDescriptors, reservedDescriptors };
}

/** Returns the least number of descriptors that covers the reserve and leaves a quarter of all to connections. */
function enoughDescriptors({ reservedDescriptors }: ConnectionLimit): number {
  return Math.ceil(reservedDescriptors / (1 - leastShare));
}

/**
 * Connection limit: bounds the inbound connections of an app. A connection needs no token, so without a bound an
 * attacker could use up all descriptors.
 *
 * Node closes each connection above the bound at once, also one for `/healthz`. Idle connections cannot block the
 * service for long: a connection without a request is closed within 6 s (`connection.ts`).
 */
export function limitConnections(app: FastifyInstance, limit: ConnectionLimit, logger: Logger): void {
  const { maxConnections, maxDescriptors } = limit;
  boundConnections(app, maxConnections, logger);
  app.addHook("onListen", (done) => {
    const descriptors = Number.isFinite(maxDescriptors) ? maxDescriptors : null;
    logger.info({ maxConnections, descriptors }, `accepts at most ${maxConnections} connections at once`);
    const enough = enoughDescriptors(limit);
    if (maxDescriptors < enough) {
      logger.warn(
        { descriptors, enough },
        `the limit of open files is ${maxDescriptors}, and these settings need ${enough}: lookups may fail with overloaded. ` +
          "Raise it (LimitNOFILE= of systemd, --ulimit nofile= of Docker, ulimit -n) or lower MEDIA_ORACLE_FETCH_CONCURRENCY",
      );
    }
    done();
  });
}

/** Closes each connection above the bound at once, on all addresses of the app together, and logs their number. */
export function boundConnections(app: FastifyInstance, maxConnections: number, logger: Logger): void {
  const report = createDropReport(maxConnections, logger);
  app.server.maxConnections = maxConnections; // from the first connection on, which may come before the hook
  app.addHook("onListen", (done) => {
    const servers = serversOf(app);
    for (const server of servers) {
      server.maxConnections = Math.ceil(maxConnections / servers.length);
      server.on("drop", report);
    }
    done();
  });
}

/** Returns all servers of a listening app: Fastify has one per address of `localhost`, and does not expose the others. */
function serversOf(app: FastifyInstance): Server[] {
  const bindings = Object.getOwnPropertySymbols(app).find(
    ({ description }) => description === "fastify.serverBindings",
  );
  const others = bindings && (app as unknown as Record<symbol, Server[]>)[bindings];
  return [app.server, ...(others ?? [])];
}

/** Logs connections that were closed above the limit: the first at once, then their number once a minute. */
export function createDropReport(maxConnections: number, logger: Logger): () => void {
  let closed = 0;
  let timer: NodeJS.Timeout | undefined;

  function report(): void {
    timer = undefined;
    if (closed === 0) return;
    logger.warn({ closed, maxConnections }, `closed ${closed} connection(s) above the limit of ${maxConnections}`);
    closed = 0;
    timer = setTimeout(report, reportEveryMs).unref();
  }

  return () => {
    closed += 1;
    if (!timer) report();
  };
}
