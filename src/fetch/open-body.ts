import { createIncomingBody, type IncomingBody, type IncomingBodyOptions } from "./body.ts";
import { createDecodedBody, isDecodable } from "./decode-body.ts";
import type { ExchangeControl, ResponseHead } from "./exchange.ts";
import { contentCodingsOf, declaredBytesOf, hasTransferCoding, isCoded, leadingRangeOf } from "./headers.ts";

export type OpenBodyOptions = Pick<IncomingBodyOptions, "lender" | "meter" | "maxBytes" | "headBytes"> & {
  readonly signal: AbortSignal;
};

/** Accepts 200 and 203, a success that a proxy has altered. */
export function isSuccess({ status }: ResponseHead): boolean {
  return status === 200 || status === 203;
}

/**
 * Creates the body of the response to a request without `Range`; null if it is not read, since the status is no success
 * or Node cannot decode the body.
 */
export function openBody(head: ResponseHead, options: OpenBodyOptions, control: ExchangeControl): IncomingBody | null {
  if (head.status === 206) return openUnrequestedPart(head, options);
  if (!isSuccess(head) || hasTransferCoding(head.headers)) return null;
  const [coding, ...others] = contentCodingsOf(head.headers);
  if (coding === undefined) return createIncomingBody({ ...options, declaredBytes: declaredBytesOf(head.headers) });
  // Several codings multiply the ratio of a decompression bomb.
  if (others.length > 0 || !isDecodable(coding)) return null;
  return createDecodedBody({ ...options, coding, control });
}

/** Some servers send 206 to a request without `Range`: of the whole file, or cut after a first part. */
function openUnrequestedPart({ headers }: ResponseHead, options: OpenBodyOptions): IncomingBody | null {
  const range = isCoded(headers) ? null : leadingRangeOf(headers);
  return range && createIncomingBody({ ...options, declaredBytes: range.total, isPart: !range.isWhole });
}
