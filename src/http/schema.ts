import { z } from "zod";
import { type FailureCode, failures } from "../domain/errors.ts";
import { metadataElement } from "../domain/element.ts";
import type { Fields } from "../domain/fields.ts";
import { type Metadata, maxThumbnailCharacters, unknownMetadata, warningCodes } from "../domain/metadata.ts";
import { maxDurationMs, maxSide } from "../domain/size.ts";
import { maxUrlCharacters } from "../domain/target.ts";
import { maxFaults } from "./request-faults.ts";
import { implicitDeadlineSeconds } from "./timeouts.ts";

// The HTTP contract, in zod: these schemas parse requests and document replies. A reply is built by hand (reply.ts), so
// nothing is parsed on the way out; the tests validate every reply against the OpenAPI document made from these.

const exampleReply = {
  url: "https://upload.example.org/a/summit.jpg",
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
  sha256: "35da6a0d13984a4e7e0edce830a005d227b04ad31cd1056020fd0a7b97603641",
  filename: "summit.jpg",
  partial: false,
  warnings: [],
} as const;

/** The reply with a URL's metadata. Key order is the order on the wire. */
export const replySchema = z
  .strictObject({
    url: z.string().describe("The URL that was looked up, normalised, without its fragment"),
    bytes: z.int().min(0).nullable().describe("Size of the file in bytes"),
    bytesSource: z
      .enum(["counted", "declared"])
      .nullable()
      .describe(
        "`counted`: the service read the body to its end; `declared`: by `Content-Length`, not verified; null if `bytes` is null",
      ),
    type: z
      .string()
      .describe(
        "Media type, sniffed from the bytes; lower case, no parameters; `application/octet-stream` if unknown (RFC 9110 8.3.1)",
      ),
    blurhash: z
      .string()
      .length(28)
      .nullable()
      .describe("BlurHash with 4 x 3 components of the first frame, upright and on a white background"),
    width: z
      .int()
      .min(1)
      .max(maxSide)
      .nullable()
      .describe("Width in pixels as displayed, after the rotation by EXIF or the container"),
    height: z
      .int()
      .min(1)
      .max(maxSide)
      .nullable()
      .describe("Height in pixels as displayed, after the rotation by EXIF or the container"),
    thumbhash: z.string().nullable().describe("ThumbHash in base64, with transparency"),
    thumbnail: z
      .string()
      .max(maxThumbnailCharacters)
      .nullable()
      .describe("PNG of the first frame as a data URL, longest side 8 px, with transparency"),
    animated: z.boolean().nullable().describe("Whether a picture has more than one frame"),
    durationMs: z
      .int()
      .min(0)
      .max(maxDurationMs)
      .nullable()
      .describe("Duration of a video or audio file in milliseconds"),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .nullable()
      .describe("SHA-256 of the file in hex; null unless the whole body was read"),
    filename: z
      .string()
      .max(255)
      .nullable()
      .describe(
        "File name by `Content-Disposition`, else the last path segment of the URL; without control characters and separators",
      ),
    partial: z
      .boolean()
      .describe("Whether the deadline passed before the lookup was complete: the same request later returns more"),
    warnings: z
      .array(z.enum(warningCodes))
      .describe(
        "Problems of a lookup whose origin responded with success. `body_encoded`: the origin sent a coding that was not " +
          "requested and cannot be decoded, such as `zstd`; a body in `gzip`, `deflate` or `br` is decoded",
      ),
  })
  .meta({
    id: "Metadata",
    description: "Metadata of a URL. Every key is always present; null means that the value is unknown.",
    examples: [exampleReply],
  });

export type ReplyBody = z.infer<typeof replySchema>;

export const elementSchema = z.string().meta({
  description: "`bytes`, `type`, `blurhash`, `width`, `height`, in this order; unknown values are omitted",
  examples: [metadataElement(exampleReply)],
});

const deadlineBounds = { least: 50, most: 30_000 };
const fieldNames = replySchema.keyof().options;

// The other keys of a reply (`url`, `partial` …) depend on the request, and are always known.
const metadataFields = Object.keys(unknownMetadata) as (keyof Metadata)[];

const urlDescription = `The absolute http(s) URL to describe, at most ${maxUrlCharacters} characters when percent-encoded, without its fragment`;
const deadlineDescription = `Deadline in milliseconds: when it passes, the response has the metadata known so far and \`partial\`. Default: ${implicitDeadlineSeconds} s`;
const fieldsDescription =
  "The keys that the caller needs: the file is read only as far as they require. The response has all keys anyway";

// No length limit on `url` here: the target parser rejects a URL that is too long as `url_invalid`, and the body is
// bounded.
export const questionBodySchema = z
  .strictObject({
    url: z.string().describe(urlDescription),
    deadlineMs: z.int().min(deadlineBounds.least).max(deadlineBounds.most).optional().describe(deadlineDescription),
    fields: z.array(z.enum(fieldNames)).min(1).max(fieldNames.length).optional().describe(fieldsDescription),
  })
  .meta({ examples: [{ url: exampleReply.url, deadlineMs: 1500 }] });

const fieldsMessage = `a list, separated by commas, of ${fieldNames.slice(0, -1).join(", ")} and ${fieldNames.slice(-1).join()}`;
const fieldList = new RegExp(`^(${fieldNames.join("|")})(,(${fieldNames.join("|")}))*$`);

/** The same question as a query string: a list is separated by commas. */
export const questionQuerySchema = z.strictObject({
  url: z.string().meta({ description: urlDescription, examples: [exampleReply.url] }),
  deadlineMs: z.coerce
    .number()
    .int()
    .min(deadlineBounds.least)
    .max(deadlineBounds.most)
    .optional()
    .meta({ description: deadlineDescription, examples: [1500] }),
  fields: z
    .string()
    .regex(fieldList, fieldsMessage)
    .optional()
    .meta({ description: `${fieldsDescription}. Separated by commas`, examples: ["type,bytes"] }),
});

const maxBatchUrls = 100;

/** 100 URLs x 8192 characters = 800 KiB, and a quarter more for JSON and its escapes: 1 MiB. */
export const maxBatchBytes = 1024 * 1024;

export const batchBodySchema = questionBodySchema
  .omit({ url: true })
  .extend({
    urls: z
      .array(z.string())
      .min(1)
      .max(maxBatchUrls)
      .describe(`The absolute http(s) URLs to describe, each of at most ${maxUrlCharacters} characters`),
  })
  .meta({ examples: [{ urls: [exampleReply.url, "https://example.org/gone.png"], deadlineMs: 1500 }] });

export const invalidationQuerySchema = questionQuerySchema.pick({ url: true });

/** One URL to describe, with the caller's deadline and fields. A batch request is split into one question for each URL. */
export type Question = z.infer<typeof questionBodySchema> | z.infer<typeof questionQuerySchema>;

/** Returns the metadata fields that a question needs; null (all) if it has no `fields`. */
export function fieldsOf({ fields }: Question): Fields {
  if (fields === undefined) return null;
  const names = typeof fields === "string" ? fields.split(",") : fields;
  return metadataFields.filter((field) => names.includes(field));
}

const problemTypePrefix = "urn:media-oracle:problem:";

/**
 * Returns the `type` of a problem document (RFC 9457 3.1.1): a name to compare, not an address to open, and the same on
 * every instance.
 */
export function problemType(code: FailureCode): string {
  return problemTypePrefix + code;
}

const failureCodes = Object.keys(failures) as [FailureCode, ...FailureCode[]];

export const problemSchema = z
  .strictObject({
    type: z.enum(failureCodes.map(problemType)).describe("Unique name of the code; a URN, not an address to open"),
    title: z.enum(failureCodes.map((code) => failures[code].title)),
    status: z.int().min(400).max(599),
    code: z.enum(failureCodes).describe("Code of the failure, for programs; does not change between versions"),
    retryable: z.boolean().describe("Whether the same request may succeed later"),
    detail: z
      .string()
      .optional()
      .describe("The mistake in the request or its URL, in a sentence for people, without any part of the URL"),
    errors: z
      .array(
        z.strictObject({
          pointer: z
            .string()
            .describe("JSON pointer to the value as URI fragment, like `#/fields/1`; in a query, to the parameter"),
          detail: z.string(),
        }),
      )
      .max(maxFaults)
      .optional()
      .describe("Only with `request_invalid`: the first mistakes, without any value of the request"),
    upstreamStatus: z
      .int()
      .min(100)
      .max(999)
      .optional()
      .describe("Only with `source_status`: the status of the origin's response"),
  })
  .meta({
    id: "Problem",
    description: "Problem document of a failed request or lookup (RFC 9457)",
    examples: [
      {
        type: problemType("source_status"),
        title: failures.source_status.title,
        status: failures.source_status.status,
        code: "source_status",
        retryable: false,
        upstreamStatus: 404,
      },
    ],
  });

export type Problem = z.infer<typeof problemSchema>;

const itemIndex = z.int().min(0).describe("Index of the URL in `urls`, from 0");
const itemUrl = z.string().describe("The URL as in the request");

export const batchItemSchema = z
  .union([
    z.strictObject({ index: itemIndex, url: itemUrl, metadata: replySchema }),
    z.strictObject({ index: itemIndex, url: itemUrl, problem: problemSchema }),
  ])
  .meta({ id: "BatchItem", description: "Metadata of one URL, or the problem of its lookup" });

export const batchReplySchema = z
  .strictObject({ items: z.array(batchItemSchema).describe("One item for each URL, in the order of `urls`") })
  .meta({ id: "Batch", description: "Results of a batch: metadata or a problem for each URL" });

export const healthSchema = z
  .strictObject({
    status: z
      .enum(["ok", "degraded", "unready"])
      .describe(
        "`degraded`: the service is ready, but Redis is unavailable or refuses writes, so it works with its local cache only",
      ),
  })
  .meta({ id: "Health", description: "Liveness or readiness of the service" });

export const versionSchema = z
  .strictObject({
    version: z.string(),
    commit: z.string().nullable().describe("Git commit of the build; null if unknown"),
    node: z.string(),
    libvips: z.string().nullable().describe("Version of libvips in the decoder processes; null before one has started"),
    formats: z
      .array(z.string())
      .describe(
        "Enabled formats, named as in `MEDIA_ORACLE_FORMATS`; also `poster` if frames of videos are decoded by ffmpeg",
      ),
  })
  .meta({ id: "Version", description: "Versions of the program and its libraries, and the enabled formats" });

/** The versions of the program, its runtime and its decoder, and the enabled formats. */
export type Version = z.infer<typeof versionSchema>;

export type Health = z.infer<typeof healthSchema>["status"];
