import type { Entry, LastFailure, Success } from "../../src/cache/entry.ts";
import type { Metadata } from "../../src/domain/metadata.ts";

export const pictureMetadata: Metadata = {
  bytes: 3032449,
  bytesSource: "counted",
  type: "image/jpeg",
  blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
  width: 4096,
  height: 2160,
  thumbhash: "1QcSHQRnh493V4dIh4eXh1h4kJUI",
  thumbnail:
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAYAAAAICAIAAABVpBlvAAAAo0lEQVR42gGYAGf/AEhSc19lf3F0h21zhV5sg1VqhgBmZ3x9eomNh4+EgIhydoJqdYYAmYyStaSky7awv62lp5yanpqdAIZwaqSKf7+hj7GVg5J+cYh6cwA/LCRUPDBsUD5gRjREMSU/My0AFQ4QHREPMyQcMyUeJR4dKikuAAIIGgQGEhoaIiIkLRYfLhkoPgAACCMAAhkNGCoSHzMBDScACytO3S/DxEINCQAAAABJRU5ErkJggg==",
  animated: false,
  durationMs: null,
  sha256: "35da6a0d".repeat(8),
  filename: "summit.jpg",
  warnings: ["type_mismatch"],
};

const hourMs = 3_600_000;

export function successAt(since: number, metadata: Metadata = pictureMetadata): Success {
  return {
    metadata,
    fields: null,
    since,
    freshUntil: since + hourMs,
    staleUntil: since + 2 * hourMs,
    staleOnErrorUntil: since + 24 * hourMs,
    validators: { etag: 'W/"a-b"', lastModified: "Sun, 06 Nov 1994 08:49:37 GMT", urlHash: "ab".repeat(32) },
  };
}

export function failureAt(since: number): LastFailure {
  const failure = { code: "source_status", upstreamStatus: 503, reason: null } as const;
  return { outcome: { failure }, since, until: since + 60_000, timeouts: 0 };
}

export function entryAt(since: number): Entry {
  return { success: successAt(since), setback: failureAt(since) };
}

/** Returns a valid key, different for each number. */
export function keyNumber(n: number): string {
  return String(n).padStart(43, "k");
}
