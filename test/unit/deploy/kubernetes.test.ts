import { readdirSync } from "node:fs";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { globalUnicastV6, notPublicV4, notPublicV6 } from "../../../src/fetch/address.ts";
import { expectSettings, pathOf, read } from "../../support/deploy.ts";

const folder = "deploy/k8s";
const kustomization = parse(read(`${folder}/kustomization.yaml`)) as {
  readonly resources: readonly string[];
  readonly configMapGenerator: readonly { readonly name: string; readonly literals: readonly string[] }[];
};

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
  const files = readdirSync(pathOf(folder)).filter((file) => file !== "kustomization.yaml");
  expect(kustomization.resources.toSorted()).toEqual(files.toSorted());
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
    expect(container.resources.limits).toHaveProperty("memory");
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
    expect(container.ports).toEqual([{ name: "http", containerPort: 8080 }]);
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
