import { createHash } from "node:crypto";
import { filenameOfUrl } from "../domain/filename.ts";
import type { Metadata } from "../domain/metadata.ts";
import type { Target } from "../domain/target.ts";
import type { ReplyBody } from "./schema.ts";

/** A reply's bytes, made once for all who ask. */
export interface Rendered {
  readonly href: string;
  readonly body: string;
  readonly contentLength: string;
  etag: string | null;
}

// Metadata is immutable and a hit gives the same object each time, so its JSON is made once and goes when the cache lets go of it.
const whole = new WeakMap<Metadata, Rendered>();

// The cache counts what it remembers, and that holds no URLs: long ones would take more in these texts than it counted.
const maxKeptCharacters = 512;

function render(target: Target, metadata: Metadata, partial: boolean): Rendered {
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
    animated: metadata.animated,
    durationMs: metadata.durationMs,
    sha256: metadata.sha256,
    filename: metadata.filename ?? filenameOfUrl(target.url),
    partial,
    warnings: [...metadata.warnings],
  };
  const body = JSON.stringify(reply);
  return { href: target.href, body, contentLength: String(Buffer.byteLength(body)), etag: null };
}

/** The reply for a target. Two targets may have the very same metadata: their replies still differ. */
export function renderedReply(target: Target, metadata: Metadata, partial: boolean): Rendered {
  if (partial) return render(target, metadata, true);
  const known = whole.get(metadata);
  if (known?.href === target.href) return known;
  const rendered = render(target, metadata, false);
  if (target.href.length <= maxKeptCharacters) whole.set(metadata, rendered);
  return rendered;
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
  // Our tags hold no commas, so splitting a foreign one in two cannot make a match.
  return ifNoneMatch.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}
