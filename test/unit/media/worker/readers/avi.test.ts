import { expect, test } from "vitest";
import { reader } from "../../../../../src/media/worker/readers/avi.ts";
import { latin1 } from "../../../../support/heads.ts";

// Microsoft, AVI RIFF File Reference.

function chunk(name: string, content: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(content.length);
  return Buffer.concat([latin1(name), length, content, Buffer.alloc(content.length % 2)]);
}

const list = (form: string, ...parts: readonly Buffer[]) => chunk("LIST", Buffer.concat([latin1(form), ...parts]));
const riff = (...parts: readonly Buffer[]) => chunk("RIFF", Buffer.concat([latin1("AVI "), ...parts]));

interface Times {
  readonly scale?: number;
  readonly rate?: number;
  readonly length?: number;
}

function streamHeader(type: "vids" | "auds", { scale = 1, rate = 25, length = 50 }: Times = {}): Buffer {
  const header = Buffer.alloc(56);
  header.write(type);
  header.writeUInt32LE(scale, 20);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(length, 32);
  return chunk("strh", header);
}

function videoFormat(width: number, height: number): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt32LE(40);
  header.writeInt32LE(width, 4);
  header.writeInt32LE(height, 8);
  return chunk("strf", header);
}

const film = (times?: Times) => list("strl", streamHeader("vids", times), videoFormat(320, 180));
const sound = (times: Times) => list("strl", streamHeader("auds", times), videoFormat(7, 7)); // not of a picture
const mainHeader = chunk("avih", Buffer.alloc(56));
const avi = (...streams: readonly Buffer[]) => riff(list("hdrl", mainHeader, ...streams));

const measure = (body: Uint8Array) => reader.measure!(body, true);
const cut = (body: Uint8Array) => reader.cut!(body);
const facts = { width: 320, height: 180, animated: null, durationMs: 2000 };

test.each<[string, Buffer, object]>([
  ["a film", avi(film()), facts],
  ["a film of 29.97 frames a second", avi(film({ scale: 1001, rate: 30_000, length: 300 })), { ...facts, durationMs: 10_010 }],
  ["a film with a longer sound", avi(film(), sound({ scale: 1, rate: 8000, length: 24_000 })), { ...facts, durationMs: 3000 }],
  ["a film with a shorter sound", avi(film(), sound({ scale: 1, rate: 8000, length: 8000 })), facts],
  ["a sound alone", avi(sound({ scale: 1, rate: 8000, length: 8000 })), { width: null, height: null, durationMs: 1000 }],
  ["a film whose rows are stored from the top", avi(list("strl", streamHeader("vids"), videoFormat(320, -180))), facts],
  ["a film whose stream has a chunk of odd length first", avi(list("strl", chunk("strn", latin1("abc")), streamHeader("vids"), videoFormat(320, 180))), facts],
  ["a film whose header is behind a list and a chunk", riff(list("INFO", chunk("ISFT", latin1("a"))), chunk("JUNK", Buffer.alloc(9)), list("hdrl", film())), facts],
  ["a film whose stream has no header", avi(list("strl", videoFormat(9, 9)), film()), facts],
  ["a film whose stream has no format", avi(list("strl", streamHeader("vids")), sound({ length: 25 })), { width: null, height: null, durationMs: 2000 }],
  ["a film whose second stream has no valid size", avi(film(), list("strl", streamHeader("vids"), videoFormat(0, 180))), facts],
  ["a film with a stream in another list", avi(film(), list("odml", streamHeader("vids", { length: 5000 }), videoFormat(9, 9))), facts],
  ["a film with a stream behind its header", riff(list("hdrl", film()), list("strl", streamHeader("vids", { length: 5000 }), videoFormat(9, 9))), facts],
  ["a film whose stream header is behind its stream", avi(list("strl", videoFormat(9, 9)), streamHeader("vids"), film()), facts],
  ["a film without a rate", avi(film({ rate: 0 })), { ...facts, durationMs: null }],
  ["a film without a rate, and a sound", avi(film({ rate: 0 }), sound({ scale: 1, rate: 8000, length: 8000 })), { ...facts, durationMs: 1000 }],
  ["a film before a stream whose header is behind it", avi(film(), list("strl", videoFormat(9, 9)), streamHeader("vids")), facts],
  ["a film without a scale", avi(film({ scale: 0 })), { ...facts, durationMs: null }],
  ["a film without a length", avi(film({ length: 0 })), { ...facts, durationMs: null }],
  ["a film whose header list has no stream", avi(), { width: null, height: null, durationMs: null }],
])("%s has its size and the length of its longest stream", async (_, body, expected) => {
  expect(await measure(body)).toMatchObject(expected);
}); // prettier-ignore

test("a film whose last chunk is only its header has its facts", async () => {
  const body = avi(film());
  expect(await measure(Buffer.concat([body, chunk("JUNK", Buffer.alloc(0))]))).toMatchObject(facts);
  const empty = riff(list("hdrl", list("strl", streamHeader("vids"), videoFormat(320, 180)), chunk("JUNK", Buffer.alloc(0)))); // prettier-ignore
  expect(await measure(empty)).toMatchObject(facts);
});

test("the header of a film is found behind at most 4095 other chunks", async () => {
  const others = (count: number) => Array.from({ length: count }, () => chunk("JUNK", Buffer.alloc(0)));
  expect(await measure(riff(...others(4095), list("hdrl", film())))).toMatchObject(facts);
  await expect(measure(riff(...others(4096), list("hdrl", film())))).rejects.toThrow("no header");
});

test.each([
  ["without a header", riff(list("movi"))],
  ["that ends within the name of its header", riff(list("hdrl")).subarray(0, 19)],
])("an AVI %s is rejected", async (_, body) => {
  await expect(measure(body)).rejects.toThrow("no header");
  await expect(cut(body)).rejects.toThrow("no header");
});

test("the clip of a film is its first 4 MiB", async () => {
  const body = Buffer.concat([avi(film()), Buffer.alloc(5 * 1024 ** 2, 7)]);
  const clip = await cut(body);
  expect(clip).toMatchObject({ container: "avi", rotation: 0 });
  expect(Buffer.from(clip!.bytes).equals(body.subarray(0, 4_194_304))).toBe(true);
});

test("a film without a picture has no clip", async () => {
  expect(await cut(avi(sound({})))).toBeNull();
  expect(await reader.show(avi(film()))).toBeNull();
});
