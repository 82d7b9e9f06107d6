import type { Validators } from "../domain/terms.ts";
import type { IncomingBody } from "./body.ts";
import type { Response, ResponseHead } from "./exchange.ts";
import { isCoded, singleHeader } from "./headers.ts";
import type { PartialBody } from "./partial-bodies.ts";

/** A range of a file (RFC 9110 14.1): `to` is excluded, `total` is the length of the whole file. */
export interface Range {
  readonly from: number;
  readonly to: number;
  readonly total: number;
  /** Of the first response. */
  readonly validators: Validators | null;
}

/** A range that arrives. */
export interface OpenRange {
  readonly response: Pick<Response, "close">;
  readonly body: IncomingBody;
}

/** Reads ranges of one file. */
export interface RangeReader {
  /** See `Source.range`. Never rejects. */
  read(from: number, to: number): Promise<Uint8Array | null>;
  /** Closes the connections of all ranges and returns their memory. */
  close(): void;
}

export interface RangeReaderOptions {
  /** Length of the whole file; without it no range is requested. */
  readonly declaredBytes: number | null;
  /** Of the first response. */
  readonly validators: Validators | null;
  /** Sends a range request; null if the response is not exactly this range of the same file. */
  readonly ask: (range: Range) => Promise<OpenRange | null>;
}

// Enough for the index of a film of three hours.
const maxRangeBytes = 8 * 1024 * 1024;

export function createRangeReader({ declaredBytes, validators, ask }: RangeReaderOptions): RangeReader {
  const total = declaredBytes ?? 0;
  const opened: OpenRange[] = [];
  let hasRanges = declaredBytes !== null;

  return {
    async read(from, to) {
      if (!hasRanges || from <= 0 || to <= from || to > total || to - from > maxRangeBytes) return null;
      hasRanges = false; // until this one is complete
      // No connection or no response: no range.
      const range = await ask({ from, to, total, validators }).catch(() => null);
      if (!range) return null;
      opened.push(range);
      const body = await range.body.body().catch(() => null);
      if (!body || body.warning || body.bytes.byteLength !== to - from) return null;
      hasRanges = true;
      return body.bytes;
    },

    close() {
      for (const { response, body } of opened) {
        response.close();
        body.release();
      }
    },
  };
}

/** The rest of a body, from where its earlier transfer ended. */
export function restOf({ bytes, length, validators }: PartialBody): Range {
  return { from: bytes.byteLength, to: length, total: length, validators };
}

/** `If-Range` needs a strong validator (RFC 9110 13.1.5): a weak tag would make every server send the whole file. */
export function rangeHeaders({ from, to, total, validators }: Range): Record<string, string> {
  const { etag = null, lastModified = null } = validators ?? {};
  const strong = etag?.startsWith('"') ? etag : lastModified;
  return { range: `bytes=${from}-${to === total ? "" : to - 1}`, ...(strong !== null && { "if-range": strong }) };
}

/**
 * Checks that a response is exactly this range of the same file: the bytes of two versions are never mixed.
 *
 * The validators are compared as well, because servers without `If-Range` send a range of the current version.
 */
export function isRange({ status, headers }: ResponseHead, { from, to, total, validators }: Range): boolean {
  if (status !== 206 || isCoded(headers)) return false;
  if (singleHeader(headers, "content-range") !== `bytes ${from}-${to - 1}/${total}`) return false;
  const etag = singleHeader(headers, "etag");
  const lastModified = singleHeader(headers, "last-modified");
  // A 206 must repeat the tag (RFC 9110 15.3.7), but not the date.
  if (etag !== (validators?.etag ?? null)) return false;
  return lastModified === null || lastModified === (validators?.lastModified ?? null);
}
