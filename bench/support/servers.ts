/** Servers that are compared with, each with a configuration of its own in a temporary folder. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { freePort } from "../../test/support/prosody.ts";
import { peerFile } from "./peer.ts";

export interface Server {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const patienceMs = 60_000;
const lookEveryMs = 50;

/** One worker, as the others are one process each. The filter is behind the cache, or it would run for every hit. */
export async function startNginx(): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-nginx-"));
  const [port, filterPort] = [await freePort(), await freePort()];
  const file = join(folder, "nginx.conf");
  // Many more than are asked on one connection, or each would be opened anew by and by.
  writeFileSync(
    file,
    `
daemon off;
master_process off;
user root;
pid ${folder}/pid;
error_log ${folder}/error.log;
load_module /usr/lib/nginx/modules/ngx_http_image_filter_module.so;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 100000000;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ")}
  proxy_cache_path ${folder}/cache keys_zone=sizes:10m;
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://127.0.0.1:${filterPort}; proxy_cache sizes; proxy_cache_valid 200 1h; }
  }
  server {
    listen 127.0.0.1:${filterPort};
    location ~ ^/(?<origin>[0-9]+)(?<path>/.*) {
      proxy_pass http://127.0.0.1:$origin$path;
      image_filter size;
      image_filter_buffer 64m;
    }
  }
}
`,
  );
  const child = spawn("nginx", ["-c", file, "-e", join(folder, "error.log")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return started(child, folder, `http://127.0.0.1:${port}`);
}

/** With its own cache in memory. It is told of no list of hosts, which it would fetch from its makers. */
export async function startIframely(): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-iframely-"));
  const port = await freePort();
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(
    join(folder, "config.js"),
    'export default { baseAppUrl: "http://127.0.0.1", CACHE_ENGINE: "node-cache", WHITELIST_URL: null, use_http2: false };',
  );
  // It looks for plugins there, and ends where a flat installation has no such folder.
  mkdirSync(peerFile("iframely/node_modules"), { recursive: true });
  const child = spawn(process.execPath, [peerFile("iframely/server.js")], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: String(port), NODE_ENV: "local" },
    stdio: ["ignore", "ignore", "ignore"],
  });
  return started(child, folder, `http://127.0.0.1:${port}`);
}

/** Waits until it answers, whatever it says. */
async function started(child: ChildProcess, folder: string, url: string): Promise<Server> {
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true });
  };
  for (const end = performance.now() + patienceMs; ;) {
    if (await isAnswering(url)) return { url, pid: child.pid!, stop };
    if (performance.now() > end || child.exitCode !== null) {
      await stop();
      throw new Error(`${child.spawnfile} does not answer`);
    }
    await after(lookEveryMs);
  }
}

function isAnswering(url: string): Promise<boolean> {
  return fetch(url, { redirect: "manual" }).then(
    (reply) => reply.text().then(() => true),
    () => false,
  );
}
