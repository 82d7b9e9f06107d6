import { get } from "node:http";
import { isIP } from "node:net";
import { defaultListenAddress } from "../domain/listen-address.ts";
import { type ExitCode, exitCodes } from "./exit.ts";

// This file imports no library and not the settings: with them a health check, which a container runs every 10 s, would
// take 0.3 s of CPU time and 100 MB.

// The health check of the container has a timeout of 3 s.
const timeoutMs = 2000;

// The answer of a media-oracle has some 20; another server may listen on the port.
const maxAnswerCharacters = 200;

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads where the service listens from its flags or variables, as config.ts does.
 *
 * @param args behind `health`
 * @returns null if there is anything else: other flags, or values that are not plainly valid
 */
export function readListenAddress(args: readonly string[], environment: Environment): ListenAddress | null {
  const flags = readFlags(args);
  if (flags === null) return null;
  const host = firstSet(flags.get("host"), environment.MEDIA_ORACLE_HOST) ?? defaultListenAddress.host;
  const port = firstSet(flags.get("port"), environment.MEDIA_ORACLE_PORT) ?? defaultListenAddress.port;
  if (host !== "localhost" && isIP(host) === 0) return null;
  return /^\d{1,5}$/.test(port) && Number(port) <= 65_535 ? { host, port: Number(port) } : null;
}

/** Returns the first text that is set; an empty one counts as unset. */
function firstSet(...texts: readonly (string | undefined)[]): string | undefined {
  return texts.find((text) => text !== undefined && text !== "");
}

/** Parses `--name value` and `--name=value`; null if there is any other flag or argument. */
function readFlags(args: readonly string[]): Map<string, string> | null {
  const flags = new Map<string, string>();
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [, name, written] = /^--(host|port)(?:=(.*))?$/s.exec(arg) ?? [];
    const value = written ?? rest.shift();
    if (name === undefined || value === undefined || value.startsWith("-")) return null;
    flags.set(name, value);
  }
  return flags;
}

/** Asks the service on this machine whether it is ready, and prints its answer or the error. */
export async function checkHealth({ host, port }: ListenAddress): Promise<ExitCode> {
  const url = `http://${reachableHost(host)}:${port}/readyz`;
  try {
    const { status, text } = await ask(url);
    const isReady = status >= 200 && status < 300;
    if (isReady) process.stdout.write(`${text}\n`);
    else process.stderr.write(`media-oracle: ${url} responded with ${status}: ${text}\n`);
    return isReady ? exitCodes.ok : exitCodes.failed;
  } catch (error) {
    process.stderr.write(`media-oracle: no response from ${url}: ${error instanceof Error ? error.message : ""}\n`);
    return exitCodes.failed;
  }
}

/** Returns an address to connect to: those that stand for all addresses are only for listening. */
function reachableHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}

function ask(url: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    signal.addEventListener("abort", () => request.destroy(new Error(`timeout of ${timeoutMs} ms`)));
    const request = get(url, { agent: false }, (response) => {
      let text = "";
      const finish = () => {
        request.destroy();
        // Without control characters (terminal injection): another server may have answered.
        const shown = text.slice(0, maxAnswerCharacters).replaceAll(/\p{Cc}/gu, "");
        resolve({ status: response.statusCode ?? 0, text: shown });
      };
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        if (text.length > maxAnswerCharacters) finish();
      });
      response.on("end", finish).on("error", reject);
    }).on("error", reject);
  });
}
