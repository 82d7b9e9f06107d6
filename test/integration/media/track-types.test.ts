import { expect, test } from "vitest";
import { startDescription } from "../../../src/domain/description.ts";
import type { Metadata } from "../../../src/domain/metadata.ts";
import { createReading } from "../../../src/reading.ts";
import { unknownPicture } from "../../../src/media/decode/picture.ts";
import { createFakeSource, type FakeSourceOptions } from "../../support/fake-source.ts";
import { box, fileType } from "../../support/heads.ts";
import { movieHeader } from "../../support/track-bytes.ts";

const sound = { handler: "soun", samples: 30, codec: "mp4a" } as const;
const media = box("mdat", Buffer.alloc(600_000));
const fileOf = (brand: string, ...tracks: Parameters<typeof movieHeader>[0]) =>
  Buffer.concat([fileType(brand), media, movieHeader(tracks)]);

/** Reads a file; returns every type that a caller could see on the way, and the final one. */
async function typesOf(body: Buffer, options: FakeSourceOptions = {}): Promise<string[]> {
  const types: string[] = [];
  const decoder = {
    enabled: {} as never,
    describe: () => Promise.resolve(unknownPicture),
    measure: () => Promise.resolve(unknownPicture),
  };
  const description = startDescription(async (progress) => {
    const learn = (part: Partial<Metadata>) => {
      if (part.type) types.push(part.type);
      return progress.learn(part);
    };
    const source = createFakeSource(body, { step: 4096, ...options });
    const reading = createReading({ source, fields: null, progress: { ...progress, learn }, decoder, patienceMs: 0 });
    await reading.readHead();
    await reading.readWhole();
    return progress.learn({});
  });
  types.push((await description.done).type);
  return [...new Set(types)];
}

test.each([
  ["an MP4 with sound alone is audio", fileOf("isom", sound), "audio/mp4"],
  ["a 3GP file with sound alone is audio", fileOf("3gp6", sound), "audio/3gpp"],
  ["an MP4 with a cover as its video is audio", fileOf("isom", sound, { samples: 1, codec: "jpeg" }), "audio/mp4"],
  ["an MP4 with a video is a video", fileOf("isom", sound, { samples: 30 }), "video/mp4"],
  ["a 3GP file with a video is a video", fileOf("3gp6", { samples: 30 }), "video/3gpp"],
])("%s, and is never another type before its tables at the end are read", async (_, body, type) => {
  expect(await typesOf(body)).toEqual([type]);
  expect(await typesOf(body, { hasRanges: false })).toEqual([type]);
  expect(await typesOf(body, { declaredBytes: null })).toEqual([type]);
  expect(await typesOf(body, { declaredType: "application/octet-stream", hasRanges: false })).toEqual([type]);
});

test("a sound whose tables are at the end is audio although its server declares a video", async () => {
  expect(await typesOf(fileOf("isom", sound), { declaredType: "video/mp4" })).toEqual(["audio/mp4"]);
});

test("a movie without ranges keeps the declared type from its first bytes on", async () => {
  const options = { declaredType: "audio/mp4", hasRanges: false };
  expect(await typesOf(fileOf("isom", sound), options)).toEqual(["audio/mp4"]);
});
