import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Certificate } from "./origin.ts";
import type { OnFinished } from "./prosody.ts";
import { startProxy } from "./proxy.ts";

export const hasCaddy = spawnSync("caddy", ["version"]).status === 0;

/**
 * Starts Caddy with deploy/caddy/Caddyfile, in front of a service, with a certificate of the test.
 *
 * @returns a function that returns what it has logged so far
 */
export async function startCaddy(
  onFinished: OnFinished,
  { key, cert }: Certificate,
  port: number,
  serviceUrl: string,
): Promise<() => string> {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-caddy-"));
  onFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "cert.pem"), cert);
  writeFileSync(join(folder, "key.pem"), key);
  const shipped = readFileSync(new URL("../../deploy/caddy/Caddyfile", import.meta.url), "utf8");
  const site = `https://127.0.0.1:${port} {\n\tbind 127.0.0.1\n\ttls ${folder}/cert.pem ${folder}/key.pem\n`;
  const configuration = shipped
    .replace("{\n", "{\n\tadmin off\n\tauto_https disable_redirects\n")
    .replace("media.example.org {\n", site)
    .replace("127.0.0.1:8080", new URL(serviceUrl).host);
  const file = join(folder, "Caddyfile");
  writeFileSync(file, configuration);
  const command = ["caddy", "run", "--config", file, "--adapter", "caddyfile"] as const;
  return startProxy(onFinished, command, "serving initial configuration", folder);
}
