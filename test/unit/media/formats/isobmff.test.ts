import { expect, test } from "vitest";
import { movieOffset, withoutMedia } from "../../../../src/media/formats/isobmff.ts";
import { box, fileType, movie } from "../../../support/heads.ts";

const ftyp = fileType("isom");
const media = box("mdat", "x".repeat(50_000));
const largeMedia = Buffer.concat([Buffer.from([0, 0, 0, 1]), Buffer.from("mdat\0\0\0\x01\0\0\0\0"), Buffer.alloc(100)]);
const endless = Buffer.concat([Buffer.from([0, 0, 0, 0]), Buffer.from("mdat"), Buffer.alloc(100)]);

test.each([
  ["behind the media", Buffer.concat([ftyp, media]).subarray(0, 1000), ftyp.length + media.length],
  ["behind media of more than 4 GB", Buffer.concat([ftyp, largeMedia]), ftyp.length + 2 ** 32],
  ["in the head", Buffer.concat([ftyp, movie("vide"), media]).subarray(0, 1000), null],
  ["cut off, in the head", Buffer.concat([ftyp, movie("vide")]).subarray(0, ftyp.length + 20), null],
  ["nowhere behind media that go on to the end", Buffer.concat([ftyp, endless]), null],
  ["missing in another kind of file", Buffer.from("what somebody wrote"), null],
  ["missing in an empty file", Buffer.alloc(0), null],
])("the header of a movie is %s", (_, head, expected) => {
  expect(movieOffset(head)).toBe(expected);
});

test("a movie file without its media keeps its type and its header", () => {
  const tail = movie("vide", "soun");
  expect(withoutMedia(Buffer.concat([ftyp, media]), tail)).toEqual(Buffer.concat([ftyp, tail]));
  expect(withoutMedia(media, tail)).toEqual(tail);
});
