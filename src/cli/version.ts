import type { ClientOptions } from "../client/client.ts";
import type { components } from "../client/api.ts";
import { openAsked, type ServerOptions } from "./asking.ts";
import type { Context } from "./context.ts";
import { UnavailableError } from "./exit.ts";
import { printable } from "./terminal.ts";

export interface VersionOptions extends ServerOptions {
  readonly json?: true;
}

type Version = components["schemas"]["Version"];

/** What a service here would be, or the one that is asked is, by its own `/version`. */
export async function versionText({ json, ...options }: VersionOptions, context: Context): Promise<string> {
  const { at, close } = await openAsked(options, context, 1);
  try {
    const version = await readVersion(at);
    return json ? JSON.stringify(version) : forPeople(version);
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
      `${url.href} answers with ${response.status}${response.status === 401 ? ": which token?" : ""}`,
    );
  } catch (error) {
    if (error instanceof UnavailableError) throw error;
    throw new UnavailableError(`nothing tells its version at ${url.href}`, { cause: error });
  }
}

function forPeople(version: Version): string {
  const words = (value: string | string[] | null) => (Array.isArray(value) ? value.join(", ") : (value ?? "unknown"));
  return Object.entries(version)
    .map(([name, value]) => printable(`${name.padEnd(9)}${words(value)}`))
    .join("\n");
}
