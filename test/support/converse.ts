import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { OnFinished, Prosody } from "./prosody.ts";

const project = fileURLToPath(new URL("../../", import.meta.url));
const folders: Readonly<Record<string, string>> = {
  "/dist/": join(project, "node_modules/converse.js/dist/"),
  "/clients/": join(project, "clients/"),
};
const types: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

export interface ConverseOptions {
  readonly room: string;
  readonly nick: string;
  /** With the plugin of `clients/converse-media-metadata`. */
  readonly hasPlugin: boolean;
  /** Further settings of Converse. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** Serves a page with Converse.js, whose visitor is in the room of the Prosody. Returns its URL. */
export async function serveConverse(
  onFinished: OnFinished,
  prosody: Prosody,
  options: ConverseOptions,
): Promise<string> {
  const page = pageOf(prosody, options);
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    if (path === "/") return void response.setHeader("content-type", "text/html; charset=utf-8").end(page);
    const [prefix = "", folder] = Object.entries(folders).find(([start]) => path.startsWith(start)) ?? [];
    try {
      const body = readFileSync(join(folder ?? "", decodeURIComponent(path.slice(prefix.length))));
      response.setHeader("content-type", types[extname(path)] ?? "application/octet-stream").end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function pageOf({ domain, websocketUrl }: Prosody, { room, nick, hasPlugin, settings }: ConverseOptions): string {
  const all = {
    authentication: "anonymous",
    auto_login: true,
    jid: domain,
    websocket_url: websocketUrl,
    discover_connection_methods: false,
    auto_join_rooms: [{ jid: room, nick }],
    assets_path: "/dist/",
    view_mode: "fullscreen",
    i18n: "en",
    loglevel: "warn",
    whitelisted_plugins: hasPlugin ? ["media-metadata"] : [],
    ...settings,
  };
  const plugin = hasPlugin
    ? '<script type="module" src="/clients/converse-media-metadata/converse-media-metadata.js"></script>'
    : "";
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Room</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/dist/converse.min.css">
<body class="converse-fullscreen">
<script type="module" src="/dist/converse.min.js"></script>
${plugin}
<script type="module">converse.initialize(${JSON.stringify(all)});</script>
</body>
</html>
`;
}
