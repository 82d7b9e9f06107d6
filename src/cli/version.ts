import type { ClientOptions } from "../client/client.ts";
import type { components } from "../client/api.ts";
import { openService, type ServerOptions } from "./service-client.ts";
import type { Context } from "./context.ts";
import { UnavailableError } from "./exit.ts";
import { printable } from "./terminal.ts";

export interface VersionOptions extends ServerOptions {
  readonly json?: true;
}

type Version = components["schemas"]["Version"];

/** Returns the `/version` of the service of `--server`, or of one within this process. */
export async function versionText({ json, ...options }: VersionOptions, context: Context): Promise<string> {
  const { options: clientOptions, close } = await openService(options, context, 1);
  try {
    const version = await readVersion(clientOptions);
    return json ? JSON.stringify(version) : formatVersion(version);
  } finally {
    await close();
  }
}

async function readVersion({ baseUrl, token, fetch = globalThis.fetch }: ClientOptions): Promise<Version> {
  const url = new URL("version", String(baseUrl).replace(/\/*$/, "/"));
  try {
    const response = await fetch(url, { headers: token ? { authorization: `Bearer ${token}` } : {} });
    if (response.ok) return (await response.json()) as Version;
    throw new UnavailableError(
      `${url.href} responded with ${response.status}${response.status === 401 ? ": set its token as MEDIA_ORACLE_TOKEN" : ""}`,
    );
  } catch (error) {
    if (error instanceof UnavailableError) throw error;
    throw new UnavailableError(`no version at ${url.href}: is it a media-oracle, and running?`, { cause: error });
  }
}

function formatVersion(version: Version): string {
  const words = (value: string | string[] | null) => (Array.isArray(value) ? value.join(", ") : (value ?? "unknown"));
  return Object.entries(version)
    .map(([name, value]) => printable(`${name.padEnd(9)}${words(value)}`))
    .join("\n");
}
