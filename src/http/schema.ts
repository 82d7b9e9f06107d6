import { z } from "zod";
import { type FailureCode, failures } from "../domain/errors.ts";
import { metadataElement } from "../domain/element.ts";
import type { Fields } from "../domain/fields.ts";
import { type Metadata, unknownMetadata, warningCodes } from "../domain/metadata.ts";
import { maxDurationMs, maxSide } from "../domain/size.ts";
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
    url: z.string().describe("The URL of the lookup: normalised, without the fragment"),
    bytes: z.int().min(0).nullable().describe("Size of the representation as stored, in bytes"),
    bytesSource: z
      .enum(["counted", "declared"])
      .nullable()
      .describe("`counted` by reading the body to its end, or `declared` by the origin"),
    type: z
      .string()
      .describe(
        "Media type, sniffed from the bytes; lower case, no parameters; `application/octet-stream` if unknown (RFC 9110 8.3.1)",
      ),
    blurhash: z
      .string()
      .length(28)
      .nullable()
      .describe("BlurHash of 4 x 3 components, of the upright first frame on white"),
    width: z.int().min(1).max(maxSide).nullable().describe("Pixels, as displayed: after EXIF or container orientation"),
    height: z.int().min(1).max(maxSide).nullable().describe("Pixels, as displayed"),
    thumbhash: z.string().nullable().describe("ThumbHash, base64, with transparency"),
    animated: z.boolean().nullable(),
    durationMs: z.int().min(0).max(maxDurationMs).nullable(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .nullable()
      .describe("Hex; only if the whole body was read"),
    filename: z
      .string()
      .max(255)
      .nullable()
      .describe(
        "From Content-Disposition, else the URL's last path segment; without control characters and separators",
      ),
    partial: z.boolean().describe("Whether the deadline passed before the lookup ended: a later request may get more"),
    warnings: z.array(z.enum(warningCodes)).describe("Limits of a successful lookup"),
  })
  .meta({
    id: "Metadata",
    description: "The metadata of the URL. Every key is always present; null means unknown.",
    examples: [exampleReply],
  });

export type ReplyBody = z.infer<typeof replySchema>;

export const elementSchema = z.string().meta({
  description: "`bytes`, `type`, `blurhash`, `width`, `height`, in this order; unknown ones are omitted",
  examples: [metadataElement(exampleReply)],
});

const deadlineBounds = { least: 50, most: 30_000 };
const fieldNames = replySchema.keyof().options;

// The reply's other keys depend on the question, and are always known.
const metadataFields = Object.keys(unknownMetadata) as (keyof Metadata)[];

const urlDescription = "The absolute http(s) URL to describe, at most 2048 characters";
const deadlineDescription = `Milliseconds until the answer, with the metadata known by then and \`partial: true\`; without it the deadline is ${implicitDeadlineSeconds} s`;
const fieldsDescription =
  "The fields that the caller needs: the file is read only as far as they require. The answer has every key in any case";

// No length limit on `url` here: the target parser rejects a URL that is too long as `url_invalid`, and the body is
// bounded.
export const questionBodySchema = z
  .strictObject({
    url: z.string().describe(urlDescription),
    deadlineMs: z.int().min(deadlineBounds.least).max(deadlineBounds.most).optional().describe(deadlineDescription),
    fields: z.array(z.enum(fieldNames)).min(1).max(fieldNames.length).optional().describe(fieldsDescription),
  })
  .meta({ examples: [{ url: exampleReply.url, deadlineMs: 1500 }] });

const fieldList = new RegExp(`^(${fieldNames.join("|")})(,(${fieldNames.join("|")}))*$`);

/** The same question as a query: a list is separated by commas. */
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
    .regex(fieldList)
    .optional()
    .meta({ description: `${fieldsDescription}. Separated by commas`, examples: ["type,bytes"] }),
});

const maxBatchUrls = 100;

/** 2 (for JSON escapes) x 100 URLs x 2048 characters = 400 KiB. */
export const maxBatchBytes = 2 * maxBatchUrls * 2048;

export const batchBodySchema = questionBodySchema
  .omit({ url: true })
  .extend({ urls: z.array(z.string()).min(1).max(maxBatchUrls).describe(`${urlDescription}, each`) })
  .meta({ examples: [{ urls: [exampleReply.url, "https://example.org/gone.png"], deadlineMs: 1500 }] });

export const invalidationQuerySchema = questionQuerySchema.pick({ url: true });

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
    type: z.enum(failureCodes.map(problemType)).describe("Names the code; not an address to open"),
    title: z.enum(failureCodes.map((code) => failures[code].title)),
    status: z.int().min(400).max(599),
    code: z.enum(failureCodes).describe("Stable: callers may switch on it"),
    retryable: z.boolean().describe("Whether asking the same again later may help"),
    upstreamStatus: z.int().min(100).max(999).optional().describe("With `source_status`: the origin's"),
  })
  .meta({
    id: "Problem",
    description: "Why nothing can be said (RFC 9457)",
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

const itemIndex = z.int().min(0).describe("Which of the `urls`, from 0");
const itemUrl = z.string().describe("As it was asked for");

export const batchItemSchema = z
  .union([
    z.strictObject({ index: itemIndex, url: itemUrl, metadata: replySchema }),
    z.strictObject({ index: itemIndex, url: itemUrl, problem: problemSchema }),
  ])
  .meta({ id: "BatchItem", description: "What is known of one URL, or why nothing can be said" });

export const batchReplySchema = z
  .strictObject({ items: z.array(batchItemSchema).describe("In the order of the `urls`") })
  .meta({ id: "Batch", description: "Every URL with what is known of it, or why nothing can be said" });

export const healthSchema = z
  .strictObject({
    status: z
      .enum(["ok", "degraded", "unready"])
      .describe("`degraded`: lookups are answered, without the shared cache, which is away or takes nothing"),
  })
  .meta({ id: "Health", description: "Whether the service is alive, or would answer a lookup" });

export const versionSchema = z
  .strictObject({
    version: z.string(),
    commit: z.string().nullable().describe("What it was built from; null where that is unknown, or no commit"),
    node: z.string(),
    libvips: z.string().nullable().describe("Of the processes that decode pictures; null before they have started"),
    formats: z
      .array(z.string())
      .describe("What is looked into, as `MEDIA_ORACLE_FORMATS` has it; and `poster`: frames of videos, by ffmpeg"),
  })
  .meta({ id: "Version", description: "What answers" });

/** The versions of the program, its runtime and its decoder, and the enabled formats. */
export type Version = z.infer<typeof versionSchema>;

export type Health = z.infer<typeof healthSchema>["status"];
