import { expect, test } from "vitest";
import { createCachedService } from "../../support/cached-service.ts";
import { startDecoder } from "../../support/decoder.ts";
import { photo } from "../../support/images.ts";
import { startOrigin } from "../../support/origin.ts";

test("a body that was too slow keeps its facts, and the next lookup continues where it stopped", async ({
  onTestFinished,
}) => {
  const decoder = await startDecoder(onTestFinished);
  const picture = await photo(800, 600).png({ compressionLevel: 0 }).toBuffer();
  const sent = 300_000;
  const ranges: (string | undefined)[] = [];
  const origin = await startOrigin(onTestFinished, (request, response) => {
    ranges.push(request.headers.range);
    const headers = { "content-type": "image/png", etag: '"1"' };
    if (request.headers.range === undefined) {
      return void response
        .writeHead(200, { ...headers, "content-length": picture.byteLength })
        .write(picture.subarray(0, sent));
    }
    const range = `bytes ${sent}-${picture.byteLength - 1}/${picture.byteLength}`;
    response.writeHead(206, { ...headers, "content-range": range }).end(picture.subarray(sent));
  });
  const service = createCachedService(decoder, { fetchTimeoutMs: 1500, maxBytes: picture.byteLength });
  const url = origin.url("/a.png");
  const first = await service.ask(url).done;
  expect(first).toMatchObject({ type: "image/png", width: 800, height: 600, warnings: ["body_timeout"] });
  expect(service.ask(url)).toMatchObject({ cached: "hit", known: first });
  service.pass(60 * 60_000);
  const second = await service.ask(url).done;
  expect(second).toMatchObject({ bytes: picture.byteLength, bytesSource: "counted", width: 800, warnings: [] });
  expect(second.blurhash).not.toBeNull();
  expect(ranges).toEqual([undefined, `bytes=${sent}-`]);
});
