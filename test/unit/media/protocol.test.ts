import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type WorkerAnswer,
  decodeRequest,
  encodeRequest,
  isTaken,
  parseAnswer,
  parseGreeting,
} from "../../../src/media/protocol.ts";
import { formats } from "../../../src/media/formats/index.ts";

const answer: WorkerAnswer = {
  number: 7,
  width: 4,
  height: 3,
  animated: false,
  durationMs: 2002,
  blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
  thumbhash: "1QcSHQRnh493V4dIh4eXh1h4kJUI",
  thumbnail:
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAYAAAAICAIAAABVpBlvAAAAo0lEQVR42gGYAGf/AEhSc19lf3F0h21zhV5sg1VqhgBmZ3x9eomNh4+EgIhydoJqdYYAmYyStaSky7awv62lp5yanpqdAIZwaqSKf7+hj7GVg5J+cYh6cwA/LCRUPDBsUD5gRjREMSU/My0AFQ4QHREPMyQcMyUeJR4dKikuAAIIGgQGEhoaIiIkLRYfLhkoPgAACCMAAhkNGCoSHzMBDScACytO3S/DxEINCQAAAABJRU5ErkJggg==",
  warning: null,
  expectedBytes: 12,
  expectedMs: 3,
  decodeMs: 1.5,
  hashMs: 0,
  clipBytes: 0,
  container: "mov",
  rotation: 90,
  rssBytes: 1,
};

test("a complete answer to the request is accepted", () => {
  expect(parseAnswer(JSON.stringify(answer), 7)).toEqual(answer);
});

test.each<[string, object]>([
  ["an answer to another request", { number: 8 }],
  ["an answer to no request", { number: undefined }],
  ["a clip of more than may be sent", { clipBytes: 5e6 }],
  ["a clip of no known length", { clipBytes: "many" }],
])("%s is no answer: what follows it cannot be known", (_, change) => {
  expect(parseAnswer(JSON.stringify({ ...answer, ...change }), 7)).toBeNull();
});

test.each<[string, object]>([
  ["a size of nothing", { width: 0 }],
  ["a size that is no integer", { height: 1.5 }],
  ["a width of more than 31 bits", { width: 2 ** 31 }],
  ["a height of 64 bits", { height: 2 ** 60 }],
  ["a duration of more than a year", { durationMs: 366 * 86_400_000 }],
  ["a turn by anything", { rotation: 45 }],
  ["a duration of no number", { durationMs: "2 s" }],
  ["a text for a size", { width: "4" }],
  ["a text for a flag", { animated: "yes" }],
  ["a hash with markup", { blurhash: "<script>alert(1)</script>xxx" }],
  ["a hash of another number of components", { blurhash: "00HV6n" }],
  ["a thumbhash that is no base64", { thumbhash: "a b" }],
  ["an endless thumbhash", { thumbhash: "A".repeat(300) }],
  ["a thumbnail of another type", { thumbnail: "data:image/svg+xml;base64,AAAA" }],
  ["a thumbnail of more than 400 characters", { thumbnail: answer.thumbnail!.replace("Jggg==", "A".repeat(200)) }],
  ["a warning that is not the process's to give", { warning: "type_mismatch" }],
  ["an estimate without end", { expectedBytes: 1e300 }],
  ["a negative duration", { decodeMs: -1 }],
  ["a missing key", { rssBytes: undefined }],
])("%s makes the answer invalid", (_, change) => {
  expect(parseAnswer(JSON.stringify({ ...answer, ...change }), 7)).toBe("invalid");
});

test("no line makes the parser throw", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.json()),
      (line) => void [parseAnswer(line, 0), parseGreeting(line), isTaken(line, 0)],
    ),
  );
});

test("a worker without a valid greeting is not ready", () => {
  expect(parseGreeting('{"libvips":"8.18.0"}')).toEqual({ libvips: "8.18.0" });
  expect(parseGreeting('{"fault":"no sharp"}')).toEqual({ fault: "no sharp" });
  for (const line of ["[]", "{}", '{"libvips":8}', '{"libvips":"<script>"}']) {
    expect(parseGreeting(line)).toEqual({ fault: expect.stringContaining("understood") });
  }
});

test("a request is the same after encoding and decoding", () => {
  const allowed = { bytes: 2 ** 40, milliseconds: Infinity };
  const request = { number: 2 ** 32 - 1, operation: "describe", format: formats[3]!, bytes: 2 ** 31, allowed } as const;
  expect(decodeRequest(Buffer.from(encodeRequest(request)))).toEqual(request);
});
