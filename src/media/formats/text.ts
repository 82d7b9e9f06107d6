import { type WorkBudget, createWorkBudget, hasAt, memoized } from "./bytes.ts";
import type { Row } from "./format.ts";

/** The head as text, or null where it is none: WHATWG's binary bytes, or not UTF-8 (UTF-16 needs its mark). */
export function readHeadText(head: Uint8Array): string | null {
  if (head.length === 0) return null;
  const encoding = hasAt(head, 0, [0xff, 0xfe]) ? "utf-16le" : hasAt(head, 0, [0xfe, 0xff]) ? "utf-16be" : "utf-8";
  try {
    // `stream`: a character that is cut where the head ends is no fault.
    const text = new TextDecoder(encoding, { fatal: true }).decode(head, { stream: true });
    // https://mimesniff.spec.whatwg.org/#binary-data-byte
    // eslint-disable-next-line no-control-regex -- control characters mean binary
    return /[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

/**
 * The encoding of a markup in UTF-16, with a byte order mark or without (XML 1.0, appendix F: every second byte of `<?`, `<!` or `<s`
 * is zero); null if it is in another one.
 */
export function utf16Encoding(head: Uint8Array): "utf-16le" | "utf-16be" | null {
  if (hasAt(head, 0, [0xff, 0xfe]) || (head[0] === 0x3c && head[1] === 0 && head[3] === 0)) return "utf-16le";
  if (hasAt(head, 0, [0xfe, 0xff]) || (head[0] === 0 && head[1] === 0x3c && head[2] === 0)) return "utf-16be";
  return null;
}

/** Bytes that are neither UTF-8 nor UTF-16 do not matter before the root: old documents are in any encoding. */
function readMarkupText(head: Uint8Array): string {
  const wide = utf16Encoding(head);
  const text = wide ? new TextDecoder(wide).decode(head) : (readHeadText(head) ?? Buffer.from(head).toString("latin1"));
  return text.replace(/^(?:\ufeff|ï»¿)/, "");
}

/** How a text in angle brackets begins. */
export interface Markup {
  readonly hasDeclaration: boolean;
  /** Lower case; null without one. */
  readonly doctype: string | null;
  /** The local name of the first element, lower case; null where the head ends before it. */
  readonly root: string | null;
  /** The text from the first element on; empty where the head ends before it. */
  readonly element: string;
}

/** Skips the prolog (XML 1.0, 2.8), a step for each comment, instruction or document type; null if it is no markup. */
export function readMarkup(head: Uint8Array): Markup | null {
  const text = readMarkupText(head);
  if (!/^\s*</.test(text)) return null;
  const hasDeclaration = /^\s*<\?xml\s/.test(text);
  const work = createWorkBudget();
  let doctype: string | null = null;
  for (let at = 0; at >= 0 && work.step();) {
    at = skip(spaces, text, at);
    if (text.startsWith("<?", at)) at = after(text, "?>", at);
    else if (text.startsWith("<!--", at)) at = after(text, "-->", at);
    else if (/^<!doctype/i.test(text.slice(at, at + 9))) {
      doctype = /^[\w:.-]*/.exec(text.slice(at + 9, at + 90).trimStart())?.[0].toLowerCase() ?? "";
      at = afterDoctype(text, at + 9, work);
    } else {
      const root =
        /^<(?:[^\s<>/:=!?'"&]+:)?([a-z_][\w.-]*)/i.exec(text.slice(at, at + 256))?.[1]?.toLowerCase() ?? null;
      return { hasDeclaration, doctype, root, element: text.slice(at) };
    }
  }
  return { hasDeclaration, doctype, root: null, element: "" };
}

const spaces = /\s*/y;
const plainText = /[^<>"'[\]]*/y;

/** Past a run of characters, which may be empty, at the offset. */
function skip(run: RegExp, text: string, from: number): number {
  run.lastIndex = from;
  run.test(text);
  return run.lastIndex;
}

/** -1 where the end is not in the text. */
function after(text: string, end: string, from: number): number {
  const found = text.indexOf(end, from);
  return found < 0 ? -1 : found + end.length;
}

/** Past the `>` that ends it: not one in quotes, in a comment or in the internal subset. */
function afterDoctype(text: string, from: number, work: WorkBudget): number {
  let depth = 0;
  for (let at = from; at >= 0 && work.step();) {
    at = skip(plainText, text, at);
    const character = text.charAt(at);
    if (text.startsWith("<!--", at)) at = after(text, "-->", at);
    else if (character === '"' || character === "'") at = after(text, character, at + 1);
    else if (character === "") return -1;
    else if (character === ">" && depth === 0) return at + 1;
    else {
      if (character === "[") depth += 1;
      if (character === "]") depth -= 1;
      at += 1;
    }
  }
  return -1;
}

// Memoized: several formats read the same text within one sniff, whose head is an object of its own.
const textIn = memoized(readHeadText);
export const markupIn = memoized(readMarkup);

// https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type
const htmlElements = "html head script iframe h1 div font table a style title b body br p".split(" ");

function isHtml(head: Uint8Array): boolean {
  const markup = markupIn(head);
  if (!markup) return false;
  return markup.doctype === "html" || (markup.root !== null && htmlElements.includes(markup.root));
}

/** An object with a first key, or a list of objects (RFC 8259), but not a log line in brackets. */
function isJson(head: Uint8Array): boolean {
  const text = textIn(head)?.trimStart();
  return text !== undefined && /^(?:\{\s*\}\s*$|\[\s*\]\s*$|(?:\[\s*)?\{\s*"(?:[^"\\]|\\.){0,200}"\s*:)/.test(text);
}

export const html = {
  type: "text/html",
  kind: "text",
  matches: isHtml,
  aliases: ["application/xhtml+xml", "application/xml", "text/xml", "text/plain"],
  isSometimesUnmarked: true,
} as const satisfies Row;

export const xml = {
  type: "application/xml",
  kind: "text",
  matches: (head) => markupIn(head)?.hasDeclaration === true, // XML 1.0, 2.8
  aliases: ["text/plain"],
  refinedBy: /^(?:text|application)\/xml|\+xml$/,
  isSometimesUnmarked: true,
} as const satisfies Row;

export const json = {
  type: "application/json",
  kind: "text",
  matches: isJson,
  aliases: ["text/plain"],
  refinedBy: /\bjson$|^application\/(?:manifest|schema)/,
  isSometimesUnmarked: true,
} as const satisfies Row;

export const text = {
  type: "text/plain",
  kind: "text",
  matches: (head) => textIn(head) !== null, // https://mimesniff.spec.whatwg.org/#rules-for-text-or-binary
  refinedBy: /^(?:text|application|message|model)\//,
  isSometimesUnmarked: true, // other encodings than UTF-8
} as const satisfies Row;
