// Made by npm run openapi. Do not edit.
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
  schemas: {
    /**
     * @description Metadata of a URL. Every key is always present; null means that the value is unknown.
     * @example {
     *       "url": "https://upload.example.org/a/summit.jpg",
     *       "bytes": 3032449,
     *       "bytesSource": "counted",
     *       "type": "image/jpeg",
     *       "blurhash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
     *       "width": 4096,
     *       "height": 2160,
     *       "thumbhash": "1QcSHQRnh493V4dIh4eXh1h4kJUI",
     *       "thumbnail": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAYAAAAICAIAAABVpBlvAAAAo0lEQVR42gGYAGf/AEhSc19lf3F0h21zhV5sg1VqhgBmZ3x9eomNh4+EgIhydoJqdYYAmYyStaSky7awv62lp5yanpqdAIZwaqSKf7+hj7GVg5J+cYh6cwA/LCRUPDBsUD5gRjREMSU/My0AFQ4QHREPMyQcMyUeJR4dKikuAAIIGgQGEhoaIiIkLRYfLhkoPgAACCMAAhkNGCoSHzMBDScACytO3S/DxEINCQAAAABJRU5ErkJggg==",
     *       "animated": false,
     *       "durationMs": null,
     *       "sha256": "35da6a0d13984a4e7e0edce830a005d227b04ad31cd1056020fd0a7b97603641",
     *       "filename": "summit.jpg",
     *       "partial": false,
     *       "warnings": []
     *     }
     */
    Metadata: {
      /** @description The URL that was looked up, normalised, without its fragment */
      url: string;
      /** @description Size of the file in bytes */
      bytes: number | null;
      /** @description `counted`: the service read the body to its end; `declared`: by `Content-Length`, not verified; null if `bytes` is null */
      bytesSource: ("counted" | "declared") | null;
      /** @description Media type, sniffed from the bytes; lower case, no parameters; `application/octet-stream` if unknown (RFC 9110 8.3.1) */
      type: string;
      /** @description BlurHash with 4 x 3 components of the first frame, upright and on a white background */
      blurhash: string | null;
      /** @description Width in pixels as displayed, after the rotation by EXIF or the container */
      width: number | null;
      /** @description Height in pixels as displayed, after the rotation by EXIF or the container */
      height: number | null;
      /** @description ThumbHash in base64, with transparency */
      thumbhash: string | null;
      /** @description PNG of the first frame as a data URL, longest side 8 px, with transparency */
      thumbnail: string | null;
      /** @description Whether a picture has more than one frame */
      animated: boolean | null;
      /** @description Duration of a video or audio file in milliseconds */
      durationMs: number | null;
      /** @description SHA-256 of the file in hex; null unless the whole body was read */
      sha256: string | null;
      /** @description File name by `Content-Disposition`, else the last path segment of the URL; without control characters and separators */
      filename: string | null;
      /** @description Whether the deadline passed before the lookup was complete: the same request later returns more */
      partial: boolean;
      /** @description Problems of a lookup whose origin responded with success. `body_encoded`: the origin sent a coding that was not requested and cannot be decoded, such as `zstd`; a body in `gzip`, `deflate` or `br` is decoded */
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
     * @description Problem document of a failed request or lookup (RFC 9457)
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
       * @description Unique name of the code; a URN, not an address to open
       * @enum {string}
       */
      type:
        | "urn:media-oracle:problem:url_invalid"
        | "urn:media-oracle:problem:url_unsupported"
        | "urn:media-oracle:problem:request_invalid"
        | "urn:media-oracle:problem:unauthorized"
        | "urn:media-oracle:problem:request_forbidden"
        | "urn:media-oracle:problem:route_unknown"
        | "urn:media-oracle:problem:method_unsupported"
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
        | "The text is not an acceptable http(s) URL"
        | "URLs of this kind are not supported"
        | "The request is not in the documented form"
        | "A valid bearer token is required"
        | "Requests from other websites are not accepted"
        | "The route does not exist"
        | "The route does not have this method"
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
       * @description Code of the failure, for programs; does not change between versions
       * @enum {string}
       */
      code:
        | "url_invalid"
        | "url_unsupported"
        | "request_invalid"
        | "unauthorized"
        | "request_forbidden"
        | "route_unknown"
        | "method_unsupported"
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
      /** @description Whether the same request may succeed later */
      retryable: boolean;
      /** @description The mistake in the request or its URL, in a sentence for people, without any part of the URL */
      detail?: string;
      /** @description Only with `request_invalid`: the first mistakes, without any value of the request */
      errors?: {
        /** @description JSON pointer to the value as URI fragment, like `#/fields/1`; in a query, to the parameter */
        pointer: string;
        detail: string;
      }[];
      /** @description Only with `source_status`: the status of the origin's response */
      upstreamStatus?: number;
    };
    /** @description Metadata of one URL, or the problem of its lookup */
    BatchItem:
      | {
          /** @description Index of the URL in `urls`, from 0 */
          index: number;
          /** @description The URL as in the request */
          url: string;
          metadata: components["schemas"]["Metadata"];
        }
      | {
          /** @description Index of the URL in `urls`, from 0 */
          index: number;
          /** @description The URL as in the request */
          url: string;
          problem: components["schemas"]["Problem"];
        };
    /** @description Results of a batch: metadata or a problem for each URL */
    Batch: {
      /** @description One item for each URL, in the order of `urls` */
      items: components["schemas"]["BatchItem"][];
    };
    /** @description Liveness or readiness of the service */
    Health: {
      /**
       * @description `degraded`: the service is ready, but Redis is unavailable or refuses writes, so it works with its local cache only
       * @enum {string}
       */
      status: "ok" | "degraded" | "unready";
    };
    /** @description Versions of the program and its libraries, and the enabled formats */
    Version: {
      version: string;
      /** @description Git commit of the build; null if unknown */
      commit: string | null;
      node: string;
      /** @description Version of libvips in the decoder processes; null before one has started */
      libvips: string | null;
      /** @description Enabled formats, named as in `MEDIA_ORACLE_FORMATS`; also `poster` if frames of videos are decoded by ffmpeg */
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
