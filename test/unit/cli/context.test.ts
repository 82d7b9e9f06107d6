import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { dependenciesFor } from "../../../src/cli/context.ts";

const dependenciesIn = (environment: Readonly<Record<string, string>>) =>
  dependenciesFor(
    {
      environment,
      machine: { version: "1.2.3", processors: 1, memoryBytes: 2 ** 30, readFile: () => "" },
      maxDescriptors: 512,
      commit: "abc",
      decoderEnvironment: { LD_PRELOAD: "a.so" },
    },
    pino({ level: "silent" }),
  );

test.each([
  [{}, null],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }, "http://collector:4318"],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "" }, null],
  [
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://traces:4318", OTEL_EXPORTER_OTLP_ENDPOINT: "http://a" },
    "http://traces:4318",
  ],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "", OTEL_EXPORTER_OTLP_ENDPOINT: "http://a" }, "http://a"],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://a", OTEL_SDK_DISABLED: "true" }, null],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://a", OTEL_SDK_DISABLED: "false" }, "http://a"],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://a", OTEL_TRACES_EXPORTER: "none" }, null],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://a", OTEL_TRACES_EXPORTER: "otlp" }, "http://a"],
])("with the variables %j of OpenTelemetry the collector is %s", (environment, collector) => {
  expect(dependenciesIn(environment).collector).toBe(collector);
});

test("ffmpeg is the first one in the absolute folders of PATH", () => {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [empty, first, second] = ["empty", "first", "second"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const each of [empty, first, second]) mkdirSync(each);
  for (const each of [first, second]) {
    writeFileSync(join(each, "ffmpeg"), "");
    chmodSync(join(each, "ffmpeg"), 0o755);
  }
  const pathOf = (...folders: string[]) => dependenciesIn({ PATH: folders.join(delimiter) }).ffmpeg;
  expect(pathOf(empty, first, second)).toBe(join(first, "ffmpeg"));
  expect(pathOf(empty)).toBeNull();
  expect(pathOf(".", "")).toBeNull();
  expect(dependenciesIn({}).ffmpeg).toBeNull();
});

test("a service has the version, the commit, the limit of descriptors and the decoders' environment of its process", () => {
  expect(dependenciesIn({ SECRET: "a" })).toMatchObject({
    program: { version: "1.2.3", commit: "abc" },
    maxDescriptors: 512,
    decoderEnvironment: { LD_PRELOAD: "a.so" },
  });
});
