// Made by npm run openapi. Do not edit.
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
  schemas: {
    /**
     * @description The metadata of the URL. Every key is always present; null means unknown.
     * @example {
     *       "url": "https://upload.example.org/a/summit.jpg",
     *       "bytes": 3032449,
     *       "bytesSource": "counted",
     *       "type": "image/jpeg",
     *       "blurhash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
     *       "width": 4096,
     *       "height": 2160,
     *       "thumbhash": "1QcSHQRnh493V4dIh4eXh1h4kJUI",
     *       "animated": false,
     *       "durationMs": null,
     *       "sha256": "35da6a0d13984a4e7e0edce830a005d227b04ad31cd1056020fd0a7b97603641",
     *       "filename": "summit.jpg",
     *       "partial": false,
     *       "warnings": []
     *     }
     */
    Metadata: {
      /** @description The URL of the lookup: normalised, without the fragment */
      url: string;
      /** @description Size of the representation as stored, in bytes */
      bytes: number | null;
      /** @description `counted` by reading the body to its end, or `declared` by the origin */
      bytesSource: ("counted" | "declared") | null;
      /** @description Media type, sniffed from the bytes; lower case, no parameters; `application/octet-stream` if unknown (RFC 9110 8.3.1) */
      type: string;
      /** @description BlurHash of 4 x 3 components, of the upright first frame on white */
      blurhash: string | null;
      /** @description Pixels, as displayed: after EXIF or container orientation */
      width: number | null;
      /** @description Pixels, as displayed */
      height: number | null;
      /** @description ThumbHash, base64, with transparency */
      thumbhash: string | null;
      animated: boolean | null;
      durationMs: number | null;
      /** @description Hex; only if the whole body was read */
      sha256: string | null;
      /** @description From Content-Disposition, else the URL's last path segment; without control characters and separators */
      filename: string | null;
      /** @description Whether the deadline passed before the lookup ended: a later request may get more */
      partial: boolean;
      /** @description Limits of a successful lookup */
      warnings: (
        | "type_mismatch"
        | "decode_failed"
        | "decode_timeout"
        | "too_many_pixels"
        | "body_too_large"
        | "body_truncated"
        | "body_timeout"
        | "body_encoded"
      )[];
    };
    /**
     * @description Why nothing can be said (RFC 9457)
     * @example {
     *       "type": "urn:media-oracle:problem:source_status",
     *       "title": "The origin responded with an error status",
     *       "status": 502,
     *       "code": "source_status",
     *       "retryable": false,
     *       "upstreamStatus": 404
     *     }
     */
    Problem: {
      /**
       * @description Names the code; not an address to open
       * @enum {string}
       */
      type:
        | "urn:media-oracle:problem:url_invalid"
        | "urn:media-oracle:problem:url_unsupported"
        | "urn:media-oracle:problem:request_invalid"
        | "urn:media-oracle:problem:unauthorized"
        | "urn:media-oracle:problem:request_forbidden"
        | "urn:media-oracle:problem:route_unknown"
        | "urn:media-oracle:problem:request_timeout"
        | "urn:media-oracle:problem:request_too_large"
        | "urn:media-oracle:problem:request_unsupported"
        | "urn:media-oracle:problem:rate_limited"
        | "urn:media-oracle:problem:host_busy"
        | "urn:media-oracle:problem:internal"
        | "urn:media-oracle:problem:source_unreachable"
        | "urn:media-oracle:problem:source_status"
        | "urn:media-oracle:problem:source_redirects"
        | "urn:media-oracle:problem:source_protocol"
        | "urn:media-oracle:problem:overloaded"
        | "urn:media-oracle:problem:deadline_exceeded";
      /** @enum {string} */
      title:
        | "The text is not an absolute http(s) URL"
        | "URLs of this kind are not supported"
        | "The request is not in the documented form"
        | "A valid bearer token is required"
        | "Requests from other websites are not accepted"
        | "The route does not exist"
        | "The request did not arrive in time"
        | "The request is too large"
        | "Send the request with Content-Type: application/json"
        | "Rate limit exceeded"
        | "Too many lookups of this host or network are in progress"
        | "Internal error"
        | "The origin could not be reached"
        | "The origin responded with an error status"
        | "Too many redirects"
        | "The origin did not respond with valid HTTP"
        | "The service is overloaded"
        | "The deadline passed before anything was known";
      status: number;
      /**
       * @description Stable: callers may switch on it
       * @enum {string}
       */
      code:
        | "url_invalid"
        | "url_unsupported"
        | "request_invalid"
        | "unauthorized"
        | "request_forbidden"
        | "route_unknown"
        | "request_timeout"
        | "request_too_large"
        | "request_unsupported"
        | "rate_limited"
        | "host_busy"
        | "internal"
        | "source_unreachable"
        | "source_status"
        | "source_redirects"
        | "source_protocol"
        | "overloaded"
        | "deadline_exceeded";
      /** @description Whether asking the same again later may help */
      retryable: boolean;
      /** @description With `source_status`: the origin's */
      upstreamStatus?: number;
    };
    /** @description What is known of one URL, or why nothing can be said */
    BatchItem:
      | {
          /** @description Which of the `urls`, from 0 */
          index: number;
          /** @description As it was asked for */
          url: string;
          metadata: components["schemas"]["Metadata"];
        }
      | {
          /** @description Which of the `urls`, from 0 */
          index: number;
          /** @description As it was asked for */
          url: string;
          problem: components["schemas"]["Problem"];
        };
    /** @description Every URL with what is known of it, or why nothing can be said */
    Batch: {
      /** @description In the order of the `urls` */
      items: components["schemas"]["BatchItem"][];
    };
    /** @description Whether the service is alive, or would answer a lookup */
    Health: {
      /**
       * @description `degraded`: lookups are answered, without the shared cache, which is away or takes nothing
       * @enum {string}
       */
      status: "ok" | "degraded" | "unready";
    };
    /** @description What answers */
    Version: {
      version: string;
      /** @description What it was built from; null where that is unknown, or no commit */
      commit: string | null;
      node: string;
      /** @description Of the processes that decode pictures; null before they have started */
      libvips: string | null;
      /** @description What is looked into, as `MEDIA_ORACLE_FORMATS` has it; and `poster`: frames of videos, by ffmpeg */
      formats: string[];
    };
  };
  responses: never;
  parameters: never;
  requestBodies: never;
  headers: never;
  pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
