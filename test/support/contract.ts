/** Checks responses against openapi.yaml: an undocumented operation, status, media type or body is an error. */
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";

interface Operation {
  readonly responses: Record<string, { readonly content?: Record<string, unknown> }>;
}

interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
}

export const document = parse(readFileSync(new URL("../../openapi.yaml", import.meta.url), "utf8")) as Document;

// Not strict: OpenAPI has keywords that JSON Schema has not (example …). The tests do not need formats.
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema({ ...document, $id: "openapi" });

const pointer = (...keys: readonly string[]): string =>
  keys.map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

export interface AnswerParts {
  readonly status: number;
  /** The whole header; null without one. */
  readonly contentType: string | null;
  readonly body: string;
}

function check(keys: readonly string[], { status, body }: AnswerParts, label: string): void {
  const validate = ajv.getSchema(`openapi#${pointer(...keys)}`);
  if (!validate) throw new Error(`${label}: no schema at ${pointer(...keys)}`);
  const value: unknown = keys.some((key) => /[/+]json$/.test(key) || key === "Problem") ? JSON.parse(body) : body;
  if (!validate(value)) throw new Error(`${label}: ${ajv.errorsText(validate.errors)} in ${body}`);
  const { status: bodyStatus } = value as { status?: unknown };
  if (typeof bodyStatus === "number" && bodyStatus !== status)
    throw new Error(`${label}: the body has status ${bodyStatus}`);
}

/**
 * Throws if a response is not documented: its operation, status, media type or body.
 *
 * Without a path in the document, it must be a 404 problem, or a 400 problem for an unreadable path; without the method, a
 * 405 problem, or a 204 for OPTIONS.
 *
 * @param path as requested, with or without a query
 */
export function assertDocumented(method: string, path: string, answer: AnswerParts): void {
  const { status, body } = answer;
  const label = `${method} ${path}: ${status}`;
  const pathname = path.replace(/\?.*$/s, "").replace(/(?<=.)\/$/, "");
  const type = answer.contentType?.split(";")[0] ?? "";
  const isHead = method === "HEAD";
  const verb = method.toLowerCase();
  const operation = document.paths[pathname]?.[verb];
  if (!operation) {
    if (method === "OPTIONS" && status === 204 && document.paths[pathname]) return;
    if (status !== (document.paths[pathname] ? 405 : 404) && status !== 400)
      throw new Error(`${label}: no such operation`);
    if (type !== "application/problem+json") throw new Error(`${label}: ${type} is not a problem document`);
    if (!isHead) check(["components", "schemas", "Problem"], answer, label);
    return;
  }
  const response = operation.responses[status];
  if (!response) throw new Error(`${label}: undocumented status: ${body}`);
  if (!response.content) {
    // An injected HEAD has the body of GET, which no socket would send.
    if (body !== "" && !isHead) throw new Error(`${label}: undocumented body: ${body}`);
    return;
  }
  if (!response.content[type]) throw new Error(`${label}: undocumented media type: ${type}`);
  check(["paths", pathname, verb, "responses", String(status), "content", type, "schema"], answer, label);
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The body. */
  readonly text: string;
  /** The parsed body; empty if it is not JSON. */
  readonly json: Record<string, unknown>;
}

/** Sends a request over a real socket, and throws if the response is not documented. */
export async function ask(url: string | URL, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  const contentType = response.headers.get("content-type");
  const { pathname } = new URL(url);
  assertDocumented(init.method ?? "GET", pathname, { status: response.status, contentType, body: text });
  const json = contentType?.includes("json") && text !== "" ? (JSON.parse(text) as Record<string, unknown>) : {};
  return { status: response.status, headers: response.headers, text, json };
}

/** Sends `POST /metadata` like a chat server. */
export function askMetadata(
  service: string | URL,
  question: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return ask(new URL("/metadata", service), {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof question === "string" ? question : JSON.stringify(question),
  });
}
