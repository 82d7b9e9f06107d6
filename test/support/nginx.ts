import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, type OnFinished } from "./prosody.ts";
import { startProxy } from "./proxy.ts";
import type { Service } from "./service.ts";

export const hasNginx = spawnSync("nginx", ["-v"]).status === 0;

export function readNginxFile(name: string): string {
  return readFileSync(new URL(`../../deploy/nginx/${name}`, import.meta.url), "utf8");
}

/**
 * Starts nginx with a configuration for its http block.
 *
 * @param configure gets the folder for files of the test, and the path of the log
 * @returns a function that returns the access log and the error log so far
 */
export async function startNginx(
  onFinished: OnFinished,
  configure: (folder: string, log: string) => string,
): Promise<() => string> {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-nginx-"));
  onFinished(() => rmSync(folder, { recursive: true }));
  const log = join(folder, "log");
  writeFileSync(log, "");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off; pid ${folder}/pid; error_log stderr notice; events {} http { ${temporary.join(" ")}\n${configure(folder, log)} }`,
  );
  const command = ["nginx", "-e", "stderr", "-c", join(folder, "nginx.conf")] as const;
  await startProxy(onFinished, command, "start worker process ", folder);
  return () => readFileSync(log, "utf8");
}

export interface Balancer {
  readonly url: string;
  /** Returns the access log and the error log so far. */
  log(): string;
}

/** Starts nginx with the configuration of deploy/nginx, with the addresses of these replicas and a free port. */
export async function startBalancer(onFinished: OnFinished, replicas: readonly Service[]): Promise<Balancer> {
  const port = await freePort();
  const names = replicas.map(({ url }) => new URL(url).host);
  const log = await startNginx(onFinished, (_folder, log) =>
    readNginxFile("media-oracle.conf")
      .replace("listen 8080", `listen 127.0.0.1:${port}`)
      .replace(/(server oracle-1:8080(.*)\n)(\s*server oracle-.*\n)*/, (_lines, _first, options: string) =>
        names.map((name) => `server ${name}${options}\n`).join(""),
      )
      .replaceAll(/\/dev\/std(out|err)/g, log),
  );
  return { url: `http://127.0.0.1:${port}`, log };
}
