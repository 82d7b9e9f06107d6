import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { attributesOf, type Collector, type Span, startCollector } from "../../support/collector.ts";
import { photo as drawPhoto } from "../../support/images.ts";
import { startOrigin } from "../../support/origin.ts";
import { runProgram, type Service, startService } from "../../support/service.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const photo = await drawPhoto(640, 480).jpeg().toBuffer();
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentId = "00f067aa0ba902b7";
const stages = ["queue", "fetch", "decode", "hash"];

const settings = { ALLOW_ADDRESSES: "127.0.0.1/32", ALLOW_PORTS: "1-65535" };

async function startTraced(collector: Collector, environment: NodeJS.ProcessEnv = {}): Promise<Service> {
  const service = await startService(settings, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: "50",
    ...environment,
  });
  onTestFinished(async () => void (await service.stop()));
  return service;
}

function describeUrl(service: Service, url: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${service.url}/metadata`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ url }),
  });
}

/** Returns the child spans of a span, in the order of their start. */
function childrenOf(spans: readonly Span[], parent: Span | undefined): Span[] {
  return spans
    .filter(({ parentSpanId }) => parentSpanId === parent?.spanId)
    .sort((one, other) => Number(BigInt(one.startTimeUnixNano) - BigInt(other.startTimeUnixNano)));
}

const milliseconds = ({ startTimeUnixNano, endTimeUnixNano }: Span): number =>
  Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6;

test("a request is a span in its caller's trace, with a child for each stage of Server-Timing", async () => {
  const collector = await startCollector(onTestFinished);
  const service = await startTraced(collector);
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end(photo));
  const reply = await describeUrl(service, origin.url("/a.jpg"), {
    traceparent: `00-${traceId}-${parentId}-01`,
    "x-request-id": "request-1",
  });
  const spans = await collector.collected("POST /metadata", ...stages);
  const request = spans.find(({ name }) => name === "POST /metadata")!;
  expect([request.traceId, request.parentSpanId]).toEqual([traceId, parentId]);
  expect(attributesOf(request)).toEqual({
    "http.request.method": "POST",
    "http.route": "/metadata",
    "http.response.status_code": 200,
    "media_oracle.request_id": "request-1",
    "media_oracle.client": "anonymous",
    "media_oracle.host": `127.0.0.1:${origin.port}`,
    "media_oracle.cached": "miss",
  });
  const children = childrenOf(spans, request);
  expect([...new Set(children.map(({ name }) => name))]).toEqual(stages);
  expect(new Set(children.map(({ traceId }) => traceId))).toEqual(new Set([traceId]));
  for (const [, stage, took] of reply.headers.get("server-timing")!.matchAll(/(\w+);dur=([\d.]+)/g)) {
    const spent = children.filter(({ name }) => name === stage).reduce((sum, span) => sum + milliseconds(span), 0);
    expect(spent).toBeCloseTo(Number(took), 0);
  }
  expect(collector.resource()).toMatchObject({ "service.name": "media-oracle", "service.version": expect.any(String) });
  expect(collector.exports[0]!.path).toBe("/v1/traces");
});

test("a cache hit has no stage spans, a failure has its code, and each URL of a batch has a span", async () => {
  const collector = await startCollector(onTestFinished);
  const service = await startTraced(collector);
  const origin = await startOrigin(onTestFinished, (request, response) => {
    if (request.url === "/gone.jpg") response.writeHead(404).end();
    else response.end(photo);
  });
  await fetch(`${service.url}/metadata/batch`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ urls: [origin.url("/a.jpg"), origin.url("/gone.jpg"), "no URL"] }),
  });
  await describeUrl(service, origin.url("/a.jpg"));
  const spans = await collector.collected("POST /metadata/batch", "describe", "describe", "describe", "POST /metadata");
  const batch = spans.find(({ name }) => name === "POST /metadata/batch")!;
  const told = childrenOf(spans, batch).map((question) => {
    const attributes = attributesOf(question);
    const below = new Set(childrenOf(spans, question).map(({ name }) => name));
    return [attributes["error.type"], attributes["media_oracle.cached"], [...below].sort()];
  });
  expect(told).toHaveLength(3);
  expect(told).toEqual(
    expect.arrayContaining([
      [undefined, "miss", [...stages].sort()],
      ["source_status", "miss", ["fetch", "queue"]],
      ["url_invalid", undefined, []],
    ]),
  );
  const hit = spans.find(({ name }) => name === "POST /metadata")!;
  expect(attributesOf(hit)["media_oracle.cached"]).toBe("hit");
  expect(childrenOf(spans, hit)).toEqual([]);
});

test("no origin is sent a trace header, and no span holds a path, a query, a fragment or a token", async () => {
  const collector = await startCollector(onTestFinished);
  const service = await startTraced(collector, { MEDIA_ORACLE_TOKENS: "planted-first-token" });
  const heard: IncomingHttpHeaders[] = [];
  const origin = await startOrigin(onTestFinished, (request, response) => {
    heard.push(request.headers);
    if (request.url?.startsWith("/planted-path/old")) response.writeHead(302, { location: "/planted-path/new" }).end();
    else response.end(photo);
  });
  const traceHeaders = {
    traceparent: `00-${traceId}-${parentId}-01`,
    tracestate: "vendor=planted-state",
    baggage: "key=planted-baggage",
    b3: `${traceId}-${parentId}-1`,
  };
  const url = origin.url("/planted-path/old?token=planted-query#planted-fragment");
  const reply = await describeUrl(service, url, { ...traceHeaders, authorization: "Bearer planted-first-token" });
  expect(reply.status).toBe(200);
  await describeUrl(service, "https://planted-user:planted-password@example.com/", {
    ...traceHeaders,
    authorization: "Bearer planted-first-token",
  });
  await describeUrl(service, url, { ...traceHeaders, authorization: "Bearer planted-other-token" });
  await collector.collected("POST /metadata", "POST /metadata", "POST /metadata", ...stages);
  expect(collector.exports.map(({ body }) => body).join("")).not.toContain("planted");
  expect(heard).toHaveLength(2);
  for (const headers of heard) {
    for (const name of [...Object.keys(traceHeaders), "x-b3-traceid", "uber-trace-id", "x-request-id"]) {
      expect(headers).not.toHaveProperty(name);
    }
  }
});

test("the standard OTEL variables set the service name, its attributes and the export headers", async () => {
  const collector = await startCollector(onTestFinished);
  const service = await startTraced(collector, {
    OTEL_SERVICE_NAME: "oracle-of-ours",
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=test",
    OTEL_EXPORTER_OTLP_HEADERS: "x-planted=planted-secret",
  });
  await describeUrl(service, "https://example.com:1/");
  await collector.collected("POST /metadata");
  expect(collector.exports[0]!.headers["x-planted"]).toBe("planted-secret");
  expect(collector.resource()).toMatchObject({ "service.name": "oracle-of-ours", "deployment.environment": "test" });
  expect(service.output()).not.toContain("planted-secret");
});

test.for([
  ["OTEL_TRACES_SAMPLER", "always_off"],
  ["OTEL_SDK_DISABLED", "true"],
] as const)("no spans are exported with %s=%s", async ([variable, value]) => {
  const collector = await startCollector(onTestFinished);
  const service = await startTraced(collector, { [variable]: value });
  await describeUrl(service, "https://example.com:1/");
  expect(await service.stop()).toBe(0); // which flushes the pending spans
  expect(collector.exports).toHaveLength(0);
});

test("the printed settings contain no secrets of OpenTelemetry", async () => {
  const environment = { OTEL_EXPORTER_OTLP_HEADERS: "authorization=planted-secret" };
  const { code, stdout, stderr } = await runProgram(["config", "print"], {}, { environment });
  expect([code, stdout + stderr]).toEqual([0, expect.not.stringContaining("planted-secret")]);
});

test.for([
  ["fails", 400],
  ["never answers", null],
] as const)(
  "a collector that %s is logged at most once, and delays neither responses nor the shutdown",
  async ([, status]) => {
    const collector = await startCollector(onTestFinished, () => status);
    const service = await startTraced(collector);
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(photo));
    for (const name of ["a", "b", "c"]) {
      expect((await describeUrl(service, origin.url(`/${name}.jpg`))).status).toBe(200);
      await expect.poll(() => collector.exports.length).toBeGreaterThan(0);
    }
    expect(await service.stop()).toBe(0);
    expect(service.output().match(/spans cannot be sent/g) ?? []).toHaveLength(status === null ? 0 : 1);
  },
);

test("an endpoint that is not a URL is logged, and the service still works", async () => {
  const service = await startService(settings, { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4317" });
  onTestFinished(async () => void (await service.stop()));
  expect(service.output()).toContain("OTEL_EXPORTER_OTLP_ENDPOINT is not an http(s) URL");
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
});

const sdk = ["core", "resources", "sdk-trace", "sdk-trace-base", "exporter-trace-otlp-http"];

test.for([
  ["without an endpoint nothing of the SDK is loaded", {}, []],
  ["with one all of it is", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" }, sdk],
] as const)("%s", async ([, environment, expected]) => {
  const service = await startService({}, { NODE_DEBUG: "module", ...environment });
  await service.stop();
  expect(sdk.filter((name) => service.output().includes(`node_modules/@opentelemetry/${name}/`))).toEqual(expected);
});

/** Installs the built program without its optional dependencies. */
function installBare(): string {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-bare-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of ["dist", "package.json"]) cpSync(join(root, name), join(folder, name), { recursive: true });
  mkdirSync(join(folder, "node_modules"));
  for (const name of readdirSync(join(root, "node_modules")).filter((name) => name !== "@opentelemetry")) {
    symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
  }
  return join(folder, "dist/main.js");
}

test("a missing SDK is logged, and the service still works", async () => {
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };
  const service = await startService(settings, environment, installBare());
  onTestFinished(async () => void (await service.stop()));
  expect(service.output()).toContain("nothing is traced: the packages of OpenTelemetry are not installed");
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end(photo));
  expect((await describeUrl(service, origin.url("/a.jpg"))).status).toBe(200);
});
