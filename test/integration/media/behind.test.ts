import { expect, test } from "vitest";
import type { Decoder } from "../../../src/media/decoder.ts";
import { startDecoder } from "../../support/decoder.ts";
import { photo } from "../../support/images.ts";
import { startOrigin } from "../../support/origin.ts";
import { createRemembering } from "../../support/remembering.ts";

test("of a picture that would wait too long for a decoder no more than the head is read, and told", async ({
  onTestFinished,
}) => {
  const decoder = await startDecoder(onTestFinished);
  const behind: Decoder = Object.create(decoder, { isBehind: { value: () => true } });
  const picture = await photo(640, 480).jpeg().toBuffer();
  const origin = await startOrigin(onTestFinished, (_request, response) => {
    // Never to its end: whoever reads on waits in vain.
    response
      .writeHead(200, { "content-length": picture.byteLength })
      .write(picture.subarray(0, picture.byteLength / 2));
  });
  const { ask, decodes } = createRemembering(behind);
  expect(await ask(origin.url("/a.jpg")).done).toMatchObject({
    type: "image/jpeg",
    width: 640,
    height: 480,
    bytes: picture.byteLength,
    bytesSource: "declared",
    blurhash: null,
    warnings: ["decode_timeout"],
  });
  await origin.idle();
  expect(decodes()).toBe(0);
});
