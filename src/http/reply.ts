import { createHash } from "node:crypto";
import { metadataElement } from "../domain/element.ts";
import { filenameOfUrl } from "../domain/filename.ts";
import { type Metadata, maxKeptReplyBytes } from "../domain/metadata.ts";
import type { Target } from "../domain/target.ts";
import { jsonType } from "./answer.ts";
import type { ReplyBody } from "./schema.ts";

/** A reply as text, ready to send. */
export interface Rendered {
  readonly contentType: string;
  readonly body: string;
  readonly contentLength: string;
  etag: string | null;
}

/** A reply that is rendered once for all callers. */
interface RenderedReply extends Rendered {
  readonly href: string;
}

// Metadata is immutable and a hit returns the same object, so its JSON is rendered once, and freed when the cache
// evicts it.
const whole = new WeakMap<Metadata, RenderedReply>();

function text(contentType: string, body: string): Rendered {
  return { contentType, body, contentLength: String(Buffer.byteLength(body)), etag: null };
}

function render(target: Target, metadata: Metadata, partial: boolean): RenderedReply {
  // The order of keys is part of the contract.
  const reply: ReplyBody = {
    url: target.href,
    bytes: metadata.bytes,
    bytesSource: metadata.bytesSource,
    type: metadata.type,
    blurhash: metadata.blurhash,
    width: metadata.width,
    height: metadata.height,
    thumbhash: metadata.thumbhash,
    thumbnail: metadata.thumbnail,
    animated: metadata.animated,
    durationMs: metadata.durationMs,
    sha256: metadata.sha256,
    filename: metadata.filename ?? filenameOfUrl(target.url),
    partial,
    warnings: [...metadata.warnings],
  };
  const body = JSON.stringify(reply);
  return { href: target.href, ...text(jsonType, body) };
}

/** Returns the reply for a target. Two targets may share one metadata object: their replies still differ. */
export function renderedReply(target: Target, metadata: Metadata, partial: boolean): Rendered {
  if (partial) return render(target, metadata, true);
  const known = whole.get(metadata);
  if (known?.href === target.href) return known;
  const rendered = render(target, metadata, false);
  if (heapBytesOf(rendered) <= maxKeptReplyBytes) whole.set(metadata, rendered);
  return rendered;
}

/** V8 has two bytes for each character of a text that is not in Latin-1; here: not in ASCII, which is cheap to know. */
function heapBytesOf({ body, contentLength }: Rendered): number {
  return Number(contentLength) === body.length ? body.length : 2 * body.length;
}

/** Returns the XML element that a chat server adds to a stanza. */
export function renderedElement(metadata: Metadata): Rendered {
  return text("application/xml; charset=utf-8", metadataElement(metadata));
}

/** A strong validator: the same tag means the same bytes (RFC 9110 8.8.3), on every replica. */
export function etagOf(rendered: Rendered): string {
  rendered.etag ??= `"${createHash("sha256").update(rendered.body).digest("base64url").slice(0, 22)}"`;
  return rendered.etag;
}

/** Whether `If-None-Match` names the tag, compared weakly (RFC 9110 13.1.2). */
export function isUnmodified(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === "*") return true;
  // Our tags have no commas, so splitting a foreign one in two cannot make a match.
  return ifNoneMatch.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}
