import { readdirSync } from "node:fs";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { globalUnicastV6, notPublicV4, notPublicV6 } from "../../../src/fetch/address.ts";
import { expectSettings, pathOf, read } from "../../support/deploy.ts";

const folder = "deploy/k8s";
interface Kustomization {
  readonly kind: string;
  readonly resources: readonly string[];
  readonly configMapGenerator: readonly {
    readonly name: string;
    readonly behavior?: string;
    readonly literals: readonly string[];
  }[];
}

const readKustomization = (path: string): Kustomization => parse(read(`${path}/kustomization.yaml`)) as Kustomization;

const kustomization = readKustomization(folder);

/* eslint-disable-next-line @typescript-eslint/no-explicit-any -- checked against the types of Kubernetes below */
type Manifest = any;
const manifests = new Map<string, Manifest>(
  kustomization.resources.map((file) => {
    const manifest: Manifest = parse(read(`${folder}/${file}`));
    return [manifest.kind as string, manifest];
  }),
);

/** Checks manifests against the types of Kubernetes 1.30 with the TypeScript compiler; returns its error messages. */
function typeErrorsOf(checked: readonly Manifest[]): string[] {
  const lines = checked.map((manifest) => {
    const { apiVersion, kind } = manifest as Record<"apiVersion" | "kind", string>;
    const group = apiVersion === "v1" ? "core/v1" : apiVersion.replace(".k8s.io", "");
    return `export const a${kind}: import("kubernetes-types/${group}").${kind} = ${JSON.stringify(manifest)};`;
  });
  const file = pathOf("test/manifests.ts"); // in memory only; node_modules is resolved from this path
  const options: ts.CompilerOptions = {
    ...{ strict: true, noEmit: true, skipLibCheck: true, types: [], lib: ["lib.es5.d.ts"] },
    ...{ module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler },
  };
  const host = ts.createCompilerHost(options);
  const getSourceFile = host.getSourceFile.bind(host);
  host.getSourceFile = (path, version, ...more) =>
    path === file ? ts.createSourceFile(path, lines.join("\n"), version) : getSourceFile(path, version, ...more);
  return ts
    .getPreEmitDiagnostics(ts.createProgram([file], options, host))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}

test("kustomization.yaml lists every file of its folder", () => {
  const files = readdirSync(pathOf(folder)).filter((file) => !["kustomization.yaml", "components"].includes(file));
  expect(kustomization.resources.toSorted()).toEqual(files.toSorted());
});

const components = readdirSync(pathOf(`${folder}/components`));

/** Returns the kustomization of a component, and its manifests by kind. */
function readComponent(name: string) {
  const path = `${folder}/components/${name}`;
  const kustomization = readKustomization(path);
  const manifests = new Map<string, Manifest>();
  for (const file of kustomization.resources) {
    const manifest: Manifest = parse(read(`${path}/${file}`));
    manifests.set(manifest.kind as string, manifest);
  }
  return { kustomization, manifests };
}

test.each(components)("the component %s lists every file of its folder, and kustomization.yaml names it", (name) => {
  const files = readdirSync(pathOf(`${folder}/components/${name}`)).filter((file) => file !== "kustomization.yaml");
  const { kind, resources } = readComponent(name).kustomization;
  expect([kind, resources.toSorted()]).toEqual(["Component", files.toSorted()]);
  expect(read(`${folder}/kustomization.yaml`)).toContain(`#   - components/${name}\n`);
});

test("the Ingress forwards to the port of the API, and its network policy admits only its controller to that port", () => {
  const { kustomization, manifests: own } = readComponent("ingress");
  expect(typeErrorsOf([...own.values()])).toEqual([]);
  const [{ http }] = own.get("Ingress").spec.rules;
  const backend = { service: { name: "media-oracle", port: { name: "http" } } };
  expect(http.paths).toEqual([{ path: "/", pathType: "Prefix", backend }]);
  const policy = own.get("NetworkPolicy");
  expect(policy.metadata.name).not.toBe(manifests.get("NetworkPolicy").metadata.name);
  expect(policy.spec.podSelector).toEqual(manifests.get("NetworkPolicy").spec.podSelector);
  expect(policy.spec.ingress).toEqual([{ from: [expect.anything()], ports: [{ port: 8080 }] }]);
  const { name, behavior, literals } = kustomization.configMapGenerator[0]!;
  expect([name, behavior]).toEqual(["media-oracle", "merge"]);
  expectSettings(Object.fromEntries(literals.map((line) => line.split("=", 2))) as Record<string, string>);
});

test.each([
  ["service-monitor", "ServiceMonitor", "endpoints", "Service"],
  ["pod-monitor", "PodMonitor", "podMetricsEndpoints", "Deployment"],
])("the component %s selects the pods or their Service, and scrapes the metrics port", (component, ...row) => {
  const [kind, endpoints, selected] = row;
  const { spec, apiVersion } = readComponent(component).manifests.get(kind);
  expect(apiVersion).toBe("monitoring.coreos.com/v1");
  expect(Object.keys(spec).toSorted()).toEqual([endpoints, "jobLabel", "selector"].toSorted());
  const { metadata, spec: whole } = manifests.get(selected);
  const { labels } = selected === "Service" ? metadata : whole.template.metadata;
  expect(labels).toMatchObject(spec.selector.matchLabels);
  expect(spec[endpoints]).toEqual([{ port: "metrics", interval: "15s" }]);
});

test("the metrics port is one in the settings, the pod, the Service and the network policy, for Prometheus alone", () => {
  expect(kustomization.configMapGenerator[0]!.literals).toContain("MEDIA_ORACLE_METRICS_PORT=9464");
  const port = { name: "metrics", containerPort: 9464 };
  expect(manifests.get("Deployment").spec.template.spec.containers[0].ports).toContainEqual(port);
  expect(manifests.get("Service").spec.ports).toContainEqual({ name: "metrics", port: 9464, targetPort: "metrics" });
  const rules = manifests.get("NetworkPolicy").spec.ingress.filter(({ ports }: Manifest) => ports[0].port === 9464);
  expect(rules).toEqual([
    {
      from: [{ namespaceSelector: {}, podSelector: { matchLabels: { "app.kubernetes.io/name": "prometheus" } } }],
      ports: [{ port: 9464 }],
    },
  ]);
});

test("every key of every Kubernetes manifest exists in the API, with a value of the right type", () => {
  expect(typeErrorsOf([...manifests.values()])).toEqual([]);
});

test("the check of Kubernetes manifests reports an unknown key", () => {
  const { spec, ...rest } = manifests.get("Service");
  expect(typeErrorsOf([{ ...rest, spec: { ...spec, prots: [] } }])).toEqual([expect.stringContaining("prots")]);
});

describe("the Deployment", () => {
  const pod = manifests.get("Deployment").spec.template;
  const [container] = pod.spec.containers;

  test("the Deployment runs as non-root on a read-only root file system, without capabilities or a service account token", () => {
    expect(pod.spec).toMatchObject({
      enableServiceLinks: false,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
    });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    for (const kind of ["requests", "limits"]) {
      expect(container.resources[kind]).toMatchObject({
        memory: expect.any(String),
        "ephemeral-storage": expect.any(String),
      });
    }
  });

  test("the settings of the Deployment are valid", () => {
    const literals = kustomization.configMapGenerator.flatMap((map) => map.literals.map((line) => line.split("=", 2)));
    const named = container.env.map(({ name, value = "" }: { name: string; value?: string }) => [name, value]);
    expectSettings({ MEDIA_ORACLE_HOST: "0.0.0.0", ...Object.fromEntries([...literals, ...named]) });
  });

  test("the Deployment's labels, port and config map match the references in the other manifests", () => {
    const labels = pod.metadata.labels;
    for (const kind of ["Deployment", "PodDisruptionBudget"]) {
      expect(manifests.get(kind).spec.selector.matchLabels).toEqual(labels);
    }
    expect(manifests.get("Service").spec.selector).toEqual(labels);
    expect(manifests.get("NetworkPolicy").spec.podSelector.matchLabels).toEqual(labels);
    expect(manifests.get("HorizontalPodAutoscaler").spec.scaleTargetRef.name).toBe("media-oracle");
    expect(container.ports).toContainEqual({ name: "http", containerPort: 8080 });
    expect(container.envFrom).toEqual([{ configMapRef: { name: kustomization.configMapGenerator[0]!.name } }]);
  });
});

test("the NetworkPolicy allows egress to exactly the addresses that the SSRF guard considers public, on ports 80 and 443", () => {
  const { egress, policyTypes } = manifests.get("NetworkPolicy").spec;
  expect(policyTypes).toContain("Egress");
  const internet = egress.filter(({ to }: Manifest) => "ipBlock" in to[0]);
  expect(internet).toEqual([
    {
      to: [
        { ipBlock: { cidr: "0.0.0.0/0", except: notPublicV4 } },
        { ipBlock: { cidr: globalUnicastV6, except: expect.toSatisfy(isSameSet(notPublicV6)) } },
      ],
      ports: [{ port: 80 }, { port: 443 }],
    },
  ]);
});

function isSameSet(expected: readonly string[]): (found: readonly string[]) => boolean {
  return (found) => found.toSorted().join() === expected.toSorted().join();
}
