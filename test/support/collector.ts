import { createServer, type IncomingHttpHeaders } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { vi } from "vitest";

/** A span in OTLP's JSON encoding (opentelemetry-proto, trace.proto); times are nanoseconds as text. */
export interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

export interface Collector {
  /** The value for `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string;
  readonly spans: readonly Span[];
  /** All export requests: path, headers, and the body as text. */
  readonly exports: readonly { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string }[];
  /** Returns the resource attributes of the last export. */
  resource(): Record<string, unknown>;
  /** Waits for one span for each name; a repeated name needs as many spans. Returns all spans. */
  collected(...names: readonly string[]): Promise<Span[]>;
}

export function attributesOf({ attributes }: { readonly attributes: readonly Attribute[] }): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

/**
 * Starts a collector that receives spans by OTLP over HTTP on a free port.
 *
 * @param status of the responses; null: never respond
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp
 */
export async function startCollector(
  onTestFinished: (cleanUp: () => void) => void,
  status: () => number | null = () => 200,
): Promise<Collector> {
  const spans: Span[] = [];
  const exports: { path: string; headers: IncomingHttpHeaders; body: string }[] = [];
  let resource: readonly Attribute[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      exports.push({ path: request.url ?? "", headers: request.headers, body });
      const statusCode = status();
      if (statusCode === null) return;
      if (statusCode === 200) {
        for (const { resource: sender, scopeSpans } of (JSON.parse(body) as Export).resourceSpans) {
          resource = sender.attributes;
          spans.push(...scopeSpans.flatMap(({ spans }) => spans));
        }
      }
      response.writeHead(statusCode, { "content-type": "application/json" }).end("{}");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    exports,
    resource: () => attributesOf({ attributes: resource }),
    collected: (...names) =>
      vi.waitFor(
        () => {
          const found = names.map((name) => spans.filter((span) => span.name === name));
          const missing = names.filter(
            (name, at) => found[at]!.length < names.filter((other) => other === name).length,
          );
          if (missing.length > 0)
            throw new Error(`no span ${missing.join(", ")} among ${spans.map(({ name }) => name).join(", ")}`);
          return [...spans];
        },
        { timeout: 15_000, interval: 20 },
      ),
  };
}
