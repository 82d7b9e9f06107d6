import type { z } from "zod";
import { OracleError, type RequestFault } from "../domain/errors.ts";

// Bounds of a problem document, however many mistakes a hostile request has.
export const maxFaults = 5;
const maxNameCharacters = 40;

/**
 * Creates a `request_invalid`.
 *
 * @param rule for the log: without any text of the caller
 */
export function requestInvalid(rule: string, faults: readonly RequestFault[]): OracleError {
  const detail = faults[0]?.detail;
  return new OracleError("request_invalid", rule, { ...(detail && { detail }), faults, refusal: { rule, host: null } });
}

/** The form of a part of a request. */
export interface Form {
  /** The documented keys. */
  readonly keys: readonly string[];
  readonly isQuery: boolean;
}

type Issue = z.core.$ZodIssue;

/**
 * Explains why a body or a query is not in its documented form. Unknown keys come first: they explain a missing key.
 *
 * The caller gets back no value of the request, and of its names only unknown keys of a body: an unknown parameter of a
 * query is often a part of a URL that is not percent-encoded, which is a secret (XEP-0363). The log has none of them.
 */
export function explainIssues(error: z.ZodError, input: unknown, form: Form): OracleError {
  const isDocumented = (issue: Issue) =>
    !(issue.code === "too_big" || issue.code === "too_small") || issue.origin !== "int";
  const issues = error.issues.filter(isDocumented);
  issues.sort((one, other) => Number(isUnknownKeys(other)) - Number(isUnknownKeys(one)));
  const faults = issues.slice(0, maxFaults).flatMap((issue) => faultsOf(issue, input, form));
  const rules = issues.slice(0, maxFaults).map((issue) => `${pointerOf(issue.path)} ${issue.code}`);
  return requestInvalid(rules.join(", "), faults.slice(0, maxFaults));
}

const isUnknownKeys = ({ code }: Issue): boolean => code === "unrecognized_keys";

/** Returns a JSON pointer as URI fragment (RFC 6901 section 6). Paths have only documented keys and indexes. */
function pointerOf(path: Issue["path"]): string {
  return ["#", ...path.map(String)].join("/");
}

/** Names a value in a sentence, like `fields[1]`. */
function nameOf(path: Issue["path"]): string {
  if (path.length === 0) return "The body";
  return path.map((key) => (typeof key === "number" ? `[${key}]` : String(key))).join("");
}

function valueAt(input: unknown, path: Issue["path"]): unknown {
  return path.reduce((value, key) => (value as Record<PropertyKey, unknown>)[key], input);
}

function listOf(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} and ${names.at(-1) ?? ""}`;
}

function faultsOf(issue: Issue, input: unknown, form: Form): RequestFault[] {
  const pointer = pointerOf(issue.path);
  if (issue.code !== "unrecognized_keys") {
    return [{ pointer, detail: explainValue(issue, valueAt(input, issue.path), form) }];
  }
  if (form.isQuery) {
    const detail = `There is a query parameter besides ${listOf(form.keys)}: percent-encode the URL.`;
    return [{ pointer, detail }];
  }
  return issue.keys.slice(0, maxFaults).map((key) => ({ pointer, detail: explainUnknownKey(key, form) }));
}

const severalUrls = " POST /metadata/batch describes several URLs.";
const oneUrl = " POST /metadata describes one URL.";

function explainUnknownKey(key: string, { keys }: Form): string {
  const name = key.length > maxNameCharacters ? `${key.slice(0, maxNameCharacters)}…` : key;
  const hint = key === "urls" ? severalUrls : key === "url" ? oneUrl : "";
  return `${JSON.stringify(name)} is not a key of the request: its keys are ${listOf(keys)}.${hint}`;
}

const types: Readonly<Record<string, string>> = {
  object: "a JSON object",
  array: "a list",
  string: "a string",
  number: "a whole number",
  int: "a whole number",
};

function explainValue(issue: Issue, value: unknown, { isQuery, keys }: Form): string {
  const name = nameOf(issue.path);
  if (value === undefined) return `${name} is missing.`;
  if (isQuery && Array.isArray(value)) return `${name} is given more than once.`;
  switch (issue.code) {
    case "invalid_type": {
      const sentence = `${name} must be ${types[issue.expected] ?? issue.expected}`;
      // A list of URLs, at the top or as `url`.
      const isUrlList = Array.isArray(value) && keys.includes("url") && (name === "url" || issue.path.length === 0);
      return isUrlList ? `${sentence}, not a list.${severalUrls}` : `${sentence}.`;
    }
    case "too_big":
      return `${name} must ${issue.origin === "array" ? "have" : "be"} at most ${count(issue.maximum, issue.origin)}.`;
    case "too_small":
      return `${name} must ${issue.origin === "array" ? "have" : "be"} at least ${count(issue.minimum, issue.origin)}.`;
    case "invalid_value":
      return `${name} must be one of ${listOf(issue.values.map(String))}.`;
    default:
      return `${name} must be ${issue.message}.`;
  }
}

function count(limit: number | bigint, origin: string): string {
  if (origin !== "array") return String(limit);
  return `${limit} ${Number(limit) === 1 ? "item" : "items"}`;
}
