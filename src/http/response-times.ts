import type { Histogram, Registry } from "prom-client";
import type { Cached } from "../domain/description.ts";

/** Response times by cache result, in plain numbers: an observation of prom-client costs more than the rest of a cache hit. */
export interface ResponseTimes {
  observe(this: void, result: Cached, milliseconds: number): void;
  /** Number of responses by cache result. */
  counts(): [result: Cached, count: number][];
}

const name = "media_oracle_response_seconds";

// Hits take less than a millisecond, a chat room waits 2 s for an answer, and the implicit deadline is below 60 s.
const bucketsMs = [1, 5, 25, 100, 250, 500, 1000, 2000, 5000, 15_000, 60_000];

interface Times {
  /** Responses by bucket, not cumulative; the last one has no upper bound. */
  readonly counts: number[];
  sumMs: number;
}

const noTimes = (): Times => ({ counts: Array<number>(bucketsMs.length + 1).fill(0), sumMs: 0 });

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** Adds the histogram to a registry. */
export function addResponseTimes(register: Registry): ResponseTimes {
  // All results start at 0: a Prometheus rate ignores the first value of a series.
  const times: Readonly<Record<Cached, Times>> = {
    hit: noTimes(),
    miss: noTimes(),
    collapsed: noTimes(),
    stale: noTimes(),
    revalidated: noTimes(),
  };
  const all = () => Object.entries(times) as [Cached, Times][];

  /** Returns the series of one result: buckets are cumulative in the exposition format. */
  function seriesOf([result, { counts, sumMs }]: [Cached, Times]) {
    const buckets = counts.map((_, index) => ({
      metricName: `${name}_bucket`,
      labels: { le: index < bucketsMs.length ? String(bucketsMs[index]! / 1000) : "+Inf", result },
      value: sum(counts.slice(0, index + 1)),
    }));
    const labels = { result };
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sumMs / 1000 },
      { metricName: `${name}_count`, labels, value: sum(counts) },
    ];
  }

  const help = "Time from the arrival of a request to its response, failures included, by cache result";
  const metric = {
    name,
    get: () => Promise.resolve({ name, help, type: "histogram", values: all().flatMap(seriesOf) }),
  };
  register.registerMetric(metric as unknown as Histogram); // a registry calls nothing but `get`
  return {
    observe(result, milliseconds) {
      const { counts } = times[result];
      let bucket = 0;
      while (bucket < bucketsMs.length && milliseconds > bucketsMs[bucket]!) bucket += 1;
      counts[bucket]! += 1;
      times[result].sumMs += milliseconds;
    },
    counts: () => all().map(([result, { counts }]) => [result, sum(counts)]),
  };
}
