import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type WorkerAnswer,
  clipBytesBehind,
  containers,
  decodeRequest,
  encodeRequest,
  isTaken,
  parseAnswer,
  parseGreeting,
  requestBytes,
  rotations,
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

const mebibyte = 1024 ** 2;
const nothing = {
  ...{ width: null, height: null, animated: null, durationMs: null },
  ...{ blurhash: null, thumbhash: null, thumbnail: null },
};

test.each<[string, object]>([
  ["without metadata", nothing],
  ["about a broken file", { ...nothing, warning: "decode_failed" }],
  ["about a pixel bomb", { warning: "too_many_pixels" }],
  ["of the largest size", { width: 2 ** 31 - 1, height: 2 ** 31 - 1 }],
  ["of the smallest values", { width: 1, height: 1, durationMs: 0, expectedBytes: 0, expectedMs: 0, decodeMs: 0, rssBytes: 0 }],
  ["of the largest times", { durationMs: 365 * 86_400_000, expectedMs: 1e9 - 1, decodeMs: 1e9 - 1, hashMs: 1e9 - 1 }],
  ["with a clip of 4 MiB", { clipBytes: 4 * mebibyte }],
  ...containers.map((container): [string, object] => [`with a clip in ${container}`, { container }]),
  ...rotations.map((rotation): [string, object] => [`with a clip turned by ${rotation}`, { rotation }]),
])("an answer %s is accepted", (_, change) => {
  expect(parseAnswer(JSON.stringify({ ...answer, ...change }), 7)).toEqual({ ...answer, ...change });
}); // prettier-ignore

test("an answer to the request of number 0 is accepted", () => {
  expect(parseAnswer(JSON.stringify({ ...answer, number: 0 }), 0)).toMatchObject({ number: 0 });
});

test.each<[string, object]>([
  ["an answer to another request", { number: 8 }],
  ["an answer to no request", { number: undefined }],
  ["a clip of more than may be sent", { clipBytes: 4 * mebibyte + 1 }],
  ["a clip of less than no bytes", { clipBytes: -1 }],
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
  ["an unknown container", { container: "zip" }],
  ["a list for a hash", { blurhash: [answer.blurhash] }],
  ["a list for a thumbhash", { thumbhash: [answer.thumbhash] }],
  ["a list for a thumbnail", { thumbnail: [answer.thumbnail] }],
  ["an estimate of less than no bytes", { expectedBytes: -1 }],
  ["an estimate of part of a byte", { expectedBytes: 0.5 }],
  ["an estimated time of 1e9 ms", { expectedMs: 1e9 }],
  ["a decode of 1e9 ms", { decodeMs: 1e9 }],
  ["a hash of 1e9 ms", { hashMs: 1e9 }],
  ["a text for a time", { hashMs: "1" }],
  ["less than no memory", { rssBytes: -1 }],
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

test.each([
  ['{"clipBytes":7}', 7],
  ['{"clipBytes":0}', 0],
  ['{"clipBytes":4194304}', 4_194_304],
  ['{"clipBytes":4194305}', 0],
  ['{"clipBytes":-7}', 0],
  ['{"taken":7}', 0],
  ["null", 0],
  ["no JSON", 0],
])("the clip behind the line %s has %i bytes", (line, bytes) => {
  expect(clipBytesBehind(line)).toBe(bytes);
});

test("a line accepts the request of its number alone", () => {
  expect(isTaken('{"taken":7}', 7)).toBe(true);
  expect(isTaken('{"taken":0}', 0)).toBe(true);
  for (const line of ['{"taken":8}', '{"taken":"7"}', "{}", "7", "no JSON"]) expect(isTaken(line, 7)).toBe(false);
});

test("a worker without a valid greeting is not ready", () => {
  expect(parseGreeting('{"libvips":"8.18.0"}')).toEqual({ libvips: "8.18.0" });
  expect(parseGreeting('{"fault":"no sharp"}')).toEqual({ fault: "no sharp" });
  for (const line of [
    "[]",
    "{}",
    '{"libvips":8}',
    '{"libvips":["8"]}',
    '{"libvips":"<script>"}',
    `{"libvips":"${"8".repeat(33)}"}`,
    '{"fault":8}',
  ]) {
    expect(parseGreeting(line)).toEqual({ fault: expect.stringContaining("understood") });
  }
});

test("a request is the same after encoding and decoding", () => {
  const allowed = { bytes: 2 ** 40, milliseconds: Infinity };
  const request = { number: 2 ** 32 - 1, operation: "describe", format: formats[3]!, bytes: 2 ** 31, allowed } as const;
  expect(decodeRequest(Buffer.from(encodeRequest(request)))).toEqual(request);
  expect(decodeRequest(Buffer.from(encodeRequest({ ...request, operation: "measure" }))).operation).toBe("measure");
  expect(encodeRequest(request)).toHaveLength(requestBytes);
});

test("a header with an unknown operation or format is not a request", () => {
  const header = (operation: number, format: number) => Buffer.from(Float64Array.of(1, operation, format, 0, 0, 0).buffer);
  expect(decodeRequest(header(1, 0))).toMatchObject({ operation: "describe", format: formats[0] });
  for (const [operation, format] of [[2, 0], [0, formats.length], [-1, 0], [0, 0.5]] as const) {
    expect(() => decodeRequest(header(operation, format))).toThrow("not a request");
  }
}); // prettier-ignore
