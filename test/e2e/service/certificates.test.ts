import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { type Certificates, makeCertificates, startTlsOrigin } from "../../support/origin.ts";
import { startService } from "../../support/service.ts";

type OnTestFinished = Parameters<typeof startTlsOrigin>[0];

/** Starts the service and a TLS origin, and asks for a file of it. */
async function askOver(
  onTestFinished: OnTestFinished,
  { good }: Certificates,
  environment: Readonly<Record<string, string>>,
) {
  const origin = await startTlsOrigin(onTestFinished, good, (_request, response) => response.end("text"));
  const settings = { ALLOW_ADDRESSES: "127.0.0.1", ALLOW_PORTS: "1-65535" };
  const service = await startService(settings, { ...environment });
  onTestFinished(async () => void (await service.stop()));
  const reply = await fetch(`${service.url}/metadata?url=${encodeURIComponent(origin.url("/a.txt"))}`);
  return { service, status: reply.status, text: await reply.text() };
}

test("the log names the error of a certificate, and the answer does not", async ({ onTestFinished }) => {
  const { service, status, text } = await askOver(onTestFinished, makeCertificates(), {});
  expect(status).toBe(502);
  expect(text).not.toMatch(/VERIFY|tls/);
  await vi.waitFor(() => expect(service.output()).toContain("not described"), 60_000);
  const line = service
    .output()
    .split("\n")
    .find((text) => text.includes("not described"));
  expect(JSON.parse(line!)).toMatchObject({ reason: "tls", tlsError: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
});

test("NODE_EXTRA_CA_CERTS adds a private certificate authority", async ({ onTestFinished }) => {
  const certificates = makeCertificates();
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-authority-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "authority.pem");
  writeFileSync(file, certificates.ca);
  const { status, text } = await askOver(onTestFinished, certificates, { NODE_EXTRA_CA_CERTS: file });
  expect([status, JSON.parse(text)]).toMatchObject([200, { type: "text/plain" }]);
});
