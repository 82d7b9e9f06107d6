import { OracleError } from "../../src/domain/errors.ts";
import { createAddressPolicy, parseAddressRule, parseCidr } from "../../src/fetch/address.ts";
import { createHostHealth } from "../../src/fetch/host-health.ts";
import type { ByteBudget } from "../../src/domain/byte-budget.ts";
import { createByteBudget } from "../../src/load/byte-budget.ts";
import { createPartialBodies } from "../../src/fetch/partial-bodies.ts";
import type { Resolve } from "../../src/fetch/resolver.ts";
import { createShares, type Shares } from "../../src/fetch/shares.ts";
import type { Target } from "../../src/domain/target.ts";
import type { Validators } from "../../src/domain/terms.ts";
import {
  createSource,
  type NotModified,
  type OpenSource,
  type Source,
  type SourceOptions,
} from "../../src/fetch/source.ts";
import { createTargetParser, parsePortRange, parseRewrite } from "../../src/fetch/target.ts";
import type { Transfer } from "../../src/domain/transfer.ts";
import { openSlots } from "./slots.ts";

/** Settings as an operator writes them, with defaults for most tests. */
export interface FetcherOptions extends Partial<
  Omit<SourceOptions, "parseTarget" | "budget" | "addressPolicy" | "resolve">
> {
  /** Default: the loopback network on every port. */
  readonly allowAddresses?: readonly string[];
  readonly denyAddresses?: readonly string[];
  readonly allowHosts?: readonly string[];
  readonly allowPorts?: readonly string[];
  readonly rewrites?: readonly string[];
  readonly budgetBytes?: number;
  /** The addresses of every name; default 127.0.0.1. */
  readonly addresses?: readonly string[];
  readonly resolve?: Resolve;
}

export interface Fetcher {
  readonly budget: ByteBudget;
  readonly parseTarget: (url: string) => Target;
  readonly openSource: OpenSource;
  /** @throws OracleError */
  readonly open: (url: string, limit?: number | AbortSignal) => Promise<Source>;
  /** With a timeout of 10 s. @throws OracleError */
  readonly reopen: (url: string, validators: Validators | null) => Promise<Source | NotModified>;
  /** Fetches the whole body; returns `ok`, a warning, or a failure's code with reason or status. */
  readonly outcome: (url: string, limit?: number | AbortSignal) => Promise<string>;
}

/** Without limits for hosts, sites and address blocks. */
export const noShares: Shares = createShares({
  maxPerHost: Infinity,
  maxPerSite: Infinity,
  maxPerBlock: Infinity,
  isOwn: () => true,
});

/** A transfer without the rules for slow transfers. */
export function unmeasured(signal: AbortSignal): Transfer {
  const nothing = () => undefined;
  return { signal, wait: () => nothing, received: nothing, [Symbol.dispose]: nothing };
}

/** Creates the fetch stage like the composition root, on this machine's own network. */
export function createFetcher(options: FetcherOptions = {}): Fetcher {
  const ports = (options.allowPorts ?? ["1-65535"]).map(parsePortRange);
  const allow = (options.allowAddresses ?? ["127.0.0.0/8"]).map(parseAddressRule);
  const parseTarget = createTargetParser({
    allowPorts: ports,
    extraPorts: allow.flatMap(({ port }) => port ?? []),
    allowHosts: options.allowHosts ?? [],
    denyHosts: [],
    rewrites: (options.rewrites ?? []).map(parseRewrite),
  });
  const budget = createByteBudget(options.budgetBytes ?? 1_000_000_000);
  const openSource = createSource({
    resolve: () => Promise.resolve([...(options.addresses ?? ["127.0.0.1"])]),
    resolveTrusted: () => Promise.reject(new Error("no rewrite, no trusted name")),
    // Disabled: most tests are about other limits.
    addressSlots: openSlots(),
    shares: noShares,
    hostHealth: createHostHealth({
      maxFailures: Infinity,
      windowMs: 0,
      openMs: 0,
      defaultBackoffMs: 1,
      maxBackoffMs: 1,
      maxOrigins: 1,
      now: () => performance.now(),
      epochNow: Date.now,
    }),
    partialBodies: createPartialBodies({ maxBytes: 1_000_000, now: () => performance.now() }),
    maxBytes: 1_000_000,
    headBytes: 4096,
    connectTimeoutMs: 2000,
    maxRedirects: 5,
    userAgent: "media-oracle/test",
    ...options,
    parseTarget,
    addressPolicy: createAddressPolicy({ allow, deny: (options.denyAddresses ?? []).map(parseCidr), ports }),
    budget,
  });

  /** @param limit of the whole fetch: a timeout in milliseconds, or a signal */
  async function open(url: string, limit: number | AbortSignal = 10_000): Promise<Source> {
    const signal = typeof limit === "number" ? AbortSignal.timeout(limit) : limit;
    const source = await openSource(parseTarget(url), null, unmeasured(signal));
    if (source.isNotModified) throw new Error("a 304 that was not asked for");
    return source;
  }

  return {
    budget,
    parseTarget,
    openSource,
    open,
    reopen: (url, validators) => openSource(parseTarget(url), validators, unmeasured(AbortSignal.timeout(10_000))),
    async outcome(url, limit) {
      try {
        const source = await open(url, limit);
        const { warning } = await source.body();
        source.close();
        return warning ?? "ok";
      } catch (error) {
        if (!(error instanceof OracleError)) throw error;
        return [error.code, error.reason ?? error.upstreamStatus].filter((part) => part !== undefined).join(" ");
      }
    },
  };
}
