import { expect, test } from "vitest";
import { withoutMedia } from "../../../../src/media/formats/isobmff.ts";
import { box, fileType, movie } from "../../../support/heads.ts";

test("a movie file without its media keeps its type and its header", () => {
  const [type, media, tail] = [fileType("isom"), box("mdat", "x".repeat(50_000)), movie("vide", "soun")];
  expect(withoutMedia(Buffer.concat([type, media]), tail)).toEqual(Buffer.concat([type, tail]));
  expect(withoutMedia(media, tail)).toEqual(tail);
});
