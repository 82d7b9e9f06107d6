/** The headers of a request that matter here. */
export interface RangeHeaders {
  readonly range?: string | undefined;
  readonly "if-range"?: string | undefined;
}

/** A file as an origin describes it in its headers. */
export interface Representation {
  readonly bytes: number;
  /** Strong entity tag, with its quotes. */
  readonly etag: string;
  /** HTTP date. */
  readonly lastModified: string;
}

/** The response to a GET: the whole file, one part of it (`to` is exclusive), or no part. */
export type RangeResponse =
  { readonly status: 200 | 206; readonly from: number; readonly to: number } | { readonly status: 416 };

/**
 * Selects the bytes of a response (RFC 9110, 13.1.5 and 14.2), as nginx does. Several ranges and other units are ignored, which
 * the RFC allows.
 */
export function selectRange(
  { range = "", "if-range": condition }: RangeHeaders,
  { bytes, etag, lastModified }: Representation,
): RangeResponse {
  const whole = { status: 200, from: 0, to: bytes } as const;
  if (condition !== undefined && condition !== etag && condition !== lastModified) return whole;
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  if (first === "" && last === "") return whole;
  const from = first === "" ? Math.max(0, bytes - Number(last)) : Number(first);
  const to = first === "" || last === "" ? bytes : Math.min(bytes, Number(last) + 1);
  if (first !== "" && last !== "" && Number(last) < Number(first)) return whole; // invalid, so it is ignored
  if (from >= bytes) return { status: 416 };
  return { status: 206, from, to };
}
