import type { Histogram, Registry } from "prom-client";
import type { Cached } from "../domain/description.ts";

/** Response times by cache result, in plain numbers: an observation of prom-client costs more than the rest of a cache hit. */
export interface ResponseTimes {
  readonly observe: (result: Cached, milliseconds: number) => void;
  /** Number of responses by cache result. */
  counts(): [result: Cached, count: number][];
}

const name = "media_oracle_response_seconds";

// Hits take less than a millisecond, a chat room waits 2 s for an answer, and the implicit deadline is below 60 s.
const boundsMs = [1, 5, 25, 100, 250, 500, 1000, 2000, 5000, 15_000, 60_000, Infinity];

interface Times {
  /** Not cumulative: each response is in the first bucket whose bound it does not exceed. */
  readonly buckets: readonly Bucket[];
  sumMs: number;
}

interface Bucket {
  readonly boundMs: number;
  count: number;
}

const noTimes = (): Times => ({ buckets: boundsMs.map((boundMs) => ({ boundMs, count: 0 })), sumMs: 0 });

const countOf = (buckets: readonly Bucket[]): number => buckets.reduce((total, { count }) => total + count, 0);

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
  function seriesOf([result, { buckets, sumMs }]: [Cached, Times]) {
    const cumulative = buckets.map(({ boundMs }, index) => ({
      metricName: `${name}_bucket`,
      labels: { le: boundMs === Infinity ? "+Inf" : String(boundMs / 1000), result },
      value: countOf(buckets.slice(0, index + 1)),
    }));
    const labels = { result };
    return [
      ...cumulative,
      { metricName: `${name}_sum`, labels, value: sumMs / 1000 },
      { metricName: `${name}_count`, labels, value: countOf(buckets) },
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
      const { buckets } = times[result];
      for (const bucket of buckets) {
        if (milliseconds > bucket.boundMs) continue;
        bucket.count += 1;
        break;
      }
      times[result].sumMs += milliseconds;
    },
    counts: () => all().map(([result, { buckets }]) => [result, countOf(buckets)]),
  };
}
