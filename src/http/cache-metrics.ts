import { Counter, Gauge, type Registry } from "prom-client";
import type { CacheUse, Gauges, SharedGauges } from "./gauges.ts";

/** Adds the metrics of the cache of this process, and of the one that replicas share. */
export function addCacheMetrics(registers: Registry[], gauges: Pick<Gauges, "cache" | "shared">): void {
  addMemoryMetrics(registers, () => Object.entries(gauges.cache()));
  if (gauges.shared) addSharedMetrics(registers, gauges.shared);
}

function addMemoryMetrics(registers: Registry[], read: () => [kind: string, use: CacheUse][]): void {
  const labelNames = ["kind"];
  new Gauge({
    name: "media_oracle_cache_entries",
    help: "Cached entries of this process: success, and those with only a failure",
    labelNames,
    registers,
    collect() {
      for (const [kind, { entries }] of read()) this.set({ kind }, entries);
    },
  });
  new Gauge({
    name: "media_oracle_cache_bytes",
    help: "Estimated memory of the cached entries of this process",
    labelNames,
    registers,
    collect() {
      for (const [kind, { bytes }] of read()) this.set({ kind }, bytes);
    },
  });
  new Counter({
    name: "media_oracle_cache_evictions_total",
    help: "Cached entries that were removed because the memory was full",
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const [kind, { evictions }] of read()) this.inc({ kind }, evictions);
    },
  });
}

function addSharedMetrics(registers: Registry[], shared: SharedGauges): void {
  new Gauge({
    name: "media_oracle_shared_up",
    help: "Whether Redis is available and accepts writes",
    registers,
    collect() {
      this.set(shared.isWell() ? 1 : 0);
    },
  });
  new Counter({
    name: "media_oracle_shared_calls_total",
    help: "Calls to Redis, by outcome",
    labelNames: ["outcome"],
    registers,
    collect() {
      this.reset();
      this.inc({ outcome: "ok" }, shared.calls() - shared.failures());
      this.inc({ outcome: "failed" }, shared.failures());
    },
  });
  new Counter({
    name: "media_oracle_shared_answers_total",
    help: "Responses from Redis, among those that media_oracle_cache_total counts as hit or stale",
    registers,
    collect() {
      this.reset();
      this.inc(shared.answers());
    },
  });
}
