import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { parse, stringify } from "yaml";
import { photo } from "../../support/images.ts";
import { type Origin, startOrigin } from "../../support/origin.ts";
import { hasPrometheus, observability } from "../../support/promtool.ts";
import { requires } from "../../support/require.ts";
import { type Service, startService } from "../../support/service.ts";

const dashboardText = readFileSync(observability("dashboards/media-oracle.json"), "utf8");
const rules = parse(readFileSync(observability("alerts.yml"), "utf8")) as {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
};

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const panels = (JSON.parse(dashboardText) as { readonly panels: readonly Panel[] }).panels;
const panelQueries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const));
const alertQueries = rules.groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => [alert, expr] as const));

let service: Service;
let origin: Origin;
const cleanUps: (() => void | Promise<void>)[] = [];

/** Causes data for each series of the dashboard: a miss, a hit, a coalesced lookup, failures and refused requests. */
async function sendRequests(): Promise<void> {
  const ask = (url: string) =>
    fetch(`${service.url}/metadata`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ url }),
    });
  const name = String(performance.now());
  const path = `/${name}.jpg`;
  await Promise.all([ask(origin.url(path)), ask(origin.url(path))]);
  await ask(origin.url(path));
  await ask(origin.url(`/gone-${name}`));
  await ask(`http://10.0.0.1:8000/${name}`);
  await ask("no URL");
}

beforeAll(async () => {
  const picture = await photo(64, 48).jpeg().toBuffer();
  const onEnd = (cleanUp: () => void | Promise<void>) => void cleanUps.push(cleanUp);
  origin = await startOrigin(onEnd, (request, response) => {
    if (request.url?.startsWith("/gone")) response.writeHead(404).end();
    else response.end(picture);
  });
  // Port 1 has no Redis: the metrics of the shared cache exist even if it is unavailable.
  const settings = { ALLOW_ADDRESSES: "127.0.0.1/32", ALLOW_PORTS: "1-65535", REDIS_URL: "redis://127.0.0.1:1" };
  service = await startService(settings);
  await sendRequests();
});

afterAll(async () => {
  await service.stop();
  for (const cleanUp of cleanUps) await cleanUp();
});

/** Parses the Prometheus text format; returns the labels of each metric by its name. */
function parseLabels(text: string): Map<string, Set<string>> {
  const labelsByName = new Map<string, Set<string>>();
  for (const [, name = "", pairs = ""] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const labels = labelsByName.get(name) ?? new Set<string>();
    for (const [label] of pairs.matchAll(/\w+(?==")/g)) labels.add(label);
    labelsByName.set(name, labels);
  }
  return labelsByName;
}

// Prometheus adds these labels when it scrapes.
const addedByPrometheus = new Set(["job", "instance"]);

test.each([...panelQueries, ...alertQueries])(
  "the query of %s uses only metrics and labels that the service reports",
  async (_, expr) => {
    const reported = parseLabels(await (await fetch(`${service.url}/metrics`)).text());
    const names = [...expr.matchAll(/\b(?:media_oracle|process|nodejs)_\w+|\bup\b/g)].map(([name]) => name);
    expect(names).not.toEqual([]);
    expect(names.filter((name) => name !== "up" && !reported.has(name))).toEqual([]);
    const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, labels = ""]) => labels.split(/,\s*/));
    const matched = [...expr.matchAll(/(\w+)=~?"/g)].map(([, label = ""]) => label);
    const known = new Set(names.flatMap((name) => [...(reported.get(name) ?? [])]));
    expect([...grouped, ...matched].filter((label) => !known.has(label) && !addedByPrometheus.has(label))).toEqual([]);
  },
);

test("the dashboard conforms to Grafana's schema", () => {
  // In this folder, so that the import of the schema resolves.
  const file = fileURLToPath(new URL(`dashboard-${String(process.pid)}.ts`, import.meta.url));
  onTestFinished(() => rmSync(file));
  writeFileSync(
    file,
    `import type { Checked } from "../../support/grafana.ts";\nexport const dashboard: Checked = ${dashboardText};\n`,
  );
  const options = ["--noEmit", "--strict", "--skipLibCheck", "--exactOptionalPropertyTypes", "--target", "es2023"];
  const modules = ["--module", "nodenext", "--allowImportingTsExtensions", "--ignoreConfig"];
  const { stdout } = spawnSync("npx", ["tsc", ...options, ...modules, file], { encoding: "utf8" });
  expect(stdout).toBe("");
});

interface QueryResult {
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

/** Starts Prometheus with the rules of deploy/observability; it scrapes the service every half second. */
async function startPrometheus(): Promise<{
  readonly query: (expr: string) => Promise<QueryResult["data"]["result"]>;
  readonly url: string;
}> {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-prometheus-"));
  const config = parse(readFileSync(observability("prometheus.yml"), "utf8")) as Record<string, object[]>;
  const [scrape] = config.scrape_configs!;
  const { dns_sd_configs: _, ...job } = scrape as Record<string, unknown>;
  const file = join(folder, "prometheus.yml");
  writeFileSync(
    file,
    stringify({
      ...config,
      global: { scrape_interval: "500ms", evaluation_interval: "1s" },
      rule_files: [observability("alerts.yml")],
      scrape_configs: [{ ...job, static_configs: [{ targets: [new URL(service.url).host] }] }],
    }),
  );
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const child: ChildProcess = spawn(
    "prometheus",
    [`--config.file=${file}`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`],
    { stdio: "ignore" },
  );
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  const url = `http://127.0.0.1:${port}`;
  const query = async (expr: string) => {
    const reply = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expr)}`);
    return ((await reply.json()) as QueryResult).data.result;
  };
  return { query, url };
}

describe.skipIf(requires("prometheus", hasPrometheus))("a running Prometheus", () => {
  test("Prometheus has data of a running service for every panel, and evaluates every alert rule", async () => {
    const { query, url } = await startPrometheus();
    const scrapes = async () => Number((await query('count_over_time(up{job="media-oracle"}[1m])'))[0]?.value[1]);
    await expect.poll(() => scrapes().catch(() => 0)).toBeGreaterThan(2);
    await sendRequests();
    const before = await scrapes();
    await expect.poll(scrapes).toBeGreaterThan(before + 2);
    const empty: string[] = [];
    for (const [title, expr] of panelQueries) {
      const result = await query(expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*"));
      if (result.length === 0) empty.push(`${title}: ${expr}`);
    }
    expect(empty).toEqual([]);
    const rules = (await (await fetch(`${url}/api/v1/rules`)).json()) as {
      data: { groups: { rules: { name: string; health: string }[] }[] };
    };
    const failing = rules.data.groups.flatMap(({ rules }) => rules).filter(({ health }) => health !== "ok");
    expect(failing).toEqual([]);
  });
});
