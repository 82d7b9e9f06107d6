/** Holds answers against openapi.yaml: what the document does not know must not be answered. */
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

// OpenAPI's own keywords (example …) are not JSON Schema's; formats say nothing that the tests need.
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema({ ...document, $id: "openapi" });

const pointer = (...keys: readonly string[]): string =>
  keys.map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

export interface AnswerParts {
  readonly status: number;
  /** The whole header, or null. */
  readonly contentType: string | null;
  readonly body: string;
}

function check(keys: readonly string[], { status, body }: AnswerParts, what: string): void {
  const validate = ajv.getSchema(`openapi#${pointer(...keys)}`);
  if (!validate) throw new Error(`${what}: no schema at ${pointer(...keys)}`);
  const value: unknown = keys.some((key) => /[/+]json$/.test(key) || key === "Problem") ? JSON.parse(body) : body;
  if (!validate(value)) throw new Error(`${what}: ${ajv.errorsText(validate.errors)} in ${body}`);
  const told = (value as { status?: unknown }).status;
  if (typeof told === "number" && told !== status) throw new Error(`${what}: says that it is a ${told}`);
}

/**
 * Throws where an answer is not as the document says: an operation, status, media type or body that it does not know.
 *
 * What the document has no operation for must be a 404 problem, or a 400 where not even the path could be read.
 *
 * @param path as requested, with or without a query
 */
export function assertDocumented(method: string, path: string, answer: AnswerParts): void {
  const { status, body } = answer;
  const what = `${method} ${path}: ${status}`;
  const [pathname = ""] = path.split("?");
  const type = answer.contentType?.split(";")[0] ?? "";
  const isHead = method === "HEAD";
  const verb = isHead ? "get" : method.toLowerCase();
  const operation = document.paths[pathname]?.[verb];
  if (!operation) {
    if (status !== 404 && status !== 400) throw new Error(`${what}: there is no such operation`);
    if (type !== "application/problem+json") throw new Error(`${what}: ${type} is no problem document`);
    if (!isHead) check(["components", "schemas", "Problem"], answer, what);
    return;
  }
  const response = operation.responses[status];
  if (!response) throw new Error(`${what}: a status that is not documented: ${body}`);
  if (!response.content) {
    if (body !== "") throw new Error(`${what}: a body that is not documented: ${body}`);
    return;
  }
  if (!response.content[type]) throw new Error(`${what}: a media type that is not documented: ${type}`);
  if (!isHead) check(["paths", pathname, verb, "responses", String(status), "content", type, "schema"], answer, what);
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The body as it came. */
  readonly text: string;
  /** The same, parsed where it is JSON. */
  readonly json: Record<string, unknown>;
}

/** Asks over a real socket, and throws where the answer is not as documented. */
export async function ask(url: string | URL, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  const contentType = response.headers.get("content-type");
  const { pathname } = new URL(url);
  assertDocumented(init.method ?? "GET", pathname, { status: response.status, contentType, body: text });
  const json = contentType?.includes("json") && text !== "" ? (JSON.parse(text) as Record<string, unknown>) : {};
  return { status: response.status, headers: response.headers, text, json };
}

/** `POST /metadata` as a chat server sends it. */
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
