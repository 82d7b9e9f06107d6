/** The workers' own code in this process: describes a file from memory, without pipe, sandbox and lanes. */
import { createDescribe } from "../../src/media/worker/describe.ts";
import { formats } from "../../src/media/formats/index.ts";
import { sniff } from "../../src/media/formats/sniff.ts";
import { answerLookups } from "./lookups.ts";

/** The first message: the file to describe for every lookup. */
export interface DescribeLoopFile {
  /** In base64. */
  readonly file: string;
}

const allowed = { bytes: Infinity, milliseconds: Infinity };

process.once("message", ({ file }: DescribeLoopFile) => {
  const body = Buffer.from(file, "base64");
  const format = sniff(body) ?? formats[0]!;
  const settings = { formats: ["jpeg", "png", "webp", "gif", "avif", "heic", "jxl", "audio"], clips: false } as const;
  void createDescribe(settings).then((describe) => {
    answerLookups(async () => (await describe({ operation: "describe", format, allowed }, body)).blurhash !== null);
    process.send!({});
  });
});
