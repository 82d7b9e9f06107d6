import { requestInvalid } from "./request-faults.ts";

const literal = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y;
const escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** Returns the length of the match of a sticky pattern; 0 without one. */
function matchLength(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}

/** Returns the offset after a string, and whether it is complete; otherwise the offset of its first invalid character. */
function skipString(text: string, start: number): { readonly at: number; readonly isComplete: boolean } {
  let at = start + 1;
  while (at < text.length) {
    const character = text.charAt(at);
    if (character === '"') return { at: at + 1, isComplete: true };
    const length = character === "\\" ? matchLength(escape, text, at) : Number(character >= " ");
    if (length === 0) return { at, isComplete: false };
    at += length;
  }
  return { at, isComplete: false };
}

/**
 * Returns the offset of the first character that is not JSON (RFC 8259); the text's length if it ends too early.
 *
 * V8's message has the offset of some errors only, and quotes the text. Without recursion: a body can be one MiB of `[`.
 */
export function findJsonError(text: string): number {
  const closers: string[] = [];
  let expected: "value" | "value or end" | "key" | "key or end" | "colon" | "comma" = "value";
  let at = 0;
  for (;;) {
    while (" \t\n\r".includes(text.charAt(at) || "-")) at += 1;
    const character = text.charAt(at);
    if (character === "") return at;
    if (expected === "colon") {
      if (character !== ":") return at;
      expected = "value";
      at += 1;
    } else if (character === closers.at(-1) && expected !== "value" && expected !== "key") {
      closers.pop();
      expected = "comma";
      at += 1;
    } else if (expected === "comma") {
      if (character !== "," || closers.length === 0) return at;
      expected = closers.at(-1) === "}" ? "key" : "value";
      at += 1;
    } else if (character === '"') {
      const string = skipString(text, at);
      if (!string.isComplete) return string.at;
      expected = expected.startsWith("key") ? "colon" : "comma";
      at = string.at;
    } else if (expected.startsWith("key")) {
      return at;
    } else if (character === "{" || character === "[") {
      closers.push(character === "{" ? "}" : "]");
      expected = character === "{" ? "key or end" : "value or end";
      at += 1;
    } else {
      const length = matchLength(literal, text, at);
      if (length === 0) return at;
      expected = "comma";
      at += length;
    }
  }
}

function explainJsonError(text: string): string {
  if (text.trim() === "") return "The body is empty.";
  const offset = findJsonError(text);
  if (offset >= text.length) return "The body is not JSON: it ends too early.";
  const lines = text.slice(0, offset).split("\n");
  const column = (lines.at(-1) ?? "").length + 1;
  return `The body is not JSON: unexpected character at line ${lines.length}, column ${column}.`;
}

/** @throws OracleError `request_invalid` */
export function parseJson(text: string): unknown {
  // The replacement character stands for invalid UTF-8 after decoding: the URL would be a different one.
  if (text.includes("\ufffd")) {
    const detail = "The body is not UTF-8, or has the replacement character U+FFFD.";
    throw requestInvalid("not UTF-8", [{ pointer: "#", detail }]);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw requestInvalid("not JSON", [{ pointer: "#", detail: explainJsonError(text) }]);
  }
}
