/** Other servers for comparison, each with its own configuration in a temporary folder. */
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

const startTimeoutMs = 60_000;
const pollEveryMs = 50;

/** Starts nginx with one worker, since the other servers are single processes. The filter is behind the cache, so a hit does not run it. */
export async function startNginx(): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-nginx-"));
  const [port, filterPort] = [await freePort(), await freePort()];
  const file = join(folder, "nginx.conf");
  // keepalive_requests: with the default, nginx would close and reopen connections during the benchmark.
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
  return whenResponding(child, folder, `http://127.0.0.1:${port}`);
}

/** Starts iframely with its in-memory cache, and without its host list, which it would download from its vendor. */
export async function startIframely(): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-iframely-"));
  const port = await freePort();
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(
    join(folder, "config.js"),
    'export default { baseAppUrl: "http://127.0.0.1", CACHE_ENGINE: "node-cache", WHITELIST_URL: null, use_http2: false };',
  );
  // iframely searches this folder for plugins, and exits if it is missing, as in a flat installation.
  mkdirSync(peerFile("iframely/node_modules"), { recursive: true });
  const child = spawn(process.execPath, [peerFile("iframely/server.js")], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: String(port), NODE_ENV: "local" },
    stdio: ["ignore", "ignore", "ignore"],
  });
  return whenResponding(child, folder, `http://127.0.0.1:${port}`);
}

/** Waits until a server responds, with any status. */
async function whenResponding(child: ChildProcess, folder: string, url: string): Promise<Server> {
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true });
  };
  for (const end = performance.now() + startTimeoutMs; ;) {
    if (await isResponding(url)) return { url, pid: child.pid!, stop };
    if (performance.now() > end || child.exitCode !== null) {
      await stop();
      throw new Error(`${child.spawnfile} does not respond`);
    }
    await after(pollEveryMs);
  }
}

function isResponding(url: string): Promise<boolean> {
  return fetch(url, { redirect: "manual" }).then(
    (reply) => reply.text().then(() => true),
    () => false,
  );
}
