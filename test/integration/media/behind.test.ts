import { expect, test } from "vitest";
import { OracleError } from "../../../src/domain/errors.ts";
import { createAdmission } from "../../../src/load/admission.ts";
import type { DecodePermit } from "../../../src/load/decode-queue.ts";
import { openAdmission } from "../../support/admission.ts";
import { startDecoder } from "../../support/decoder.ts";
import { photo } from "../../support/images.ts";
import { startOrigin } from "../../support/origin.ts";
import { createCachedService } from "../../support/cached-service.ts";
import { targetOf } from "../../support/targets.ts";

test("only the head of a picture is read and described if the decode queue rejects it", async ({ onTestFinished }) => {
  const decoder = await startDecoder(onTestFinished);
  const picture = await photo(640, 480).jpeg().toBuffer();
  const origin = await startOrigin(onTestFinished, (_request, response) => {
    // The response never ends: a client that reads on hangs.
    response
      .writeHead(200, { "content-length": picture.byteLength })
      .write(picture.subarray(0, picture.byteLength / 2));
  });
  const { ask, decodes } = createCachedService(decoder, {
    admission: openAdmission({ enterDecodeQueue: () => Promise.resolve(null) }),
  });
  const description = ask(origin.url("/a.jpg"));
  expect(await description.done).toMatchObject({
    type: "image/jpeg",
    width: 640,
    height: 480,
    bytes: picture.byteLength,
    bytesSource: "declared",
    blurhash: null,
    warnings: ["decode_timeout"],
  });
  expect(description.decodeTimeoutCause).toBe("queue_full");
  await origin.idle();
  expect(decodes()).toBe(0);
});

test("the body of a picture is not read while it waits in the decode queue, and is described afterwards", async ({
  onTestFinished,
}) => {
  const decoder = await startDecoder(onTestFinished);
  const large = Buffer.concat([await photo(640, 480).jpeg().toBuffer(), Buffer.alloc(24 * 1024 ** 2)]);
  let isSent = false;
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end(large, () => (isSent = true)));
  let begin!: (turn: DecodePermit) => void;
  const turn = new Promise<DecodePermit>((resolve) => (begin = resolve));
  const admission = openAdmission({ enterDecodeQueue: () => turn });
  const { ask } = createCachedService(decoder, { admission, maxBytes: large.byteLength });
  const description = ask(origin.url("/a.jpg"));
  expect(await description.until(["width"])).toMatchObject({ type: "image/jpeg", width: 640, blurhash: null });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(isSent).toBe(false);
  const ended: string[] = [];
  begin({ arrived: () => void ended.push("arrived"), [Symbol.dispose]: () => void ended.push("done") });
  expect(await description.done).toMatchObject({ bytes: large.byteLength, warnings: [] });
  expect((await description.done).blurhash).not.toBeNull();
  expect(ended).toEqual(["arrived", "done"]);
});

test("only the head of a PDF is described while the queue for formats of unpredictable cost is full", async ({
  onTestFinished,
}) => {
  const decoder = await startDecoder(onTestFinished, { formats: ["pdf", "jpeg"] });
  const pdf = Buffer.alloc(24 * 1024 ** 2, "%PDF-1.7\n");
  const picture = await photo(64, 48).jpeg().toBuffer();
  let isSent = false;
  const origin = await startOrigin(onTestFinished, (request, response) => {
    if (request.url === "/a.jpg") return void response.end(picture);
    response.writeHead(200, { "content-length": pdf.byteLength }).end(pdf, () => (isSent = true));
  });
  // Half of the memory has room for one such body, and with three fetch slots no other may wait.
  const admission = createAdmission({
    maxFetches: 3,
    maxWaiting: 0,
    maxFetchBytes: 64 * 1024 ** 2,
    maxBodyBytes: pdf.byteLength,
    limitsOf: ({ url }) => [{ key: url.origin, maxActive: Infinity }],
    decoder,
    now: () => performance.now(),
  });
  const another = await admission.admit(targetOf("https://another.example.net/a.pdf"), new AbortController().signal);
  const held = await another.enterDecodeQueue("unpredictable", pdf.byteLength);
  const { ask, decodes } = createCachedService(decoder, { admission, maxBytes: pdf.byteLength });
  const description = ask(origin.url("/a.pdf"));
  expect(await description.done).toMatchObject({
    type: "application/pdf",
    bytes: pdf.byteLength,
    bytesSource: "declared",
    warnings: ["decode_timeout"],
  });
  expect(description.decodeTimeoutCause).toBe("queue_full");
  expect([isSent, decodes()]).toEqual([false, 0]);
  expect((await ask(origin.url("/a.jpg")).done).blurhash).not.toBeNull(); // a queue of its own
  held![Symbol.dispose]();
  const later = ask(origin.url("/b.pdf"));
  expect((await later.done).bytesSource).toBe("counted");
  using again = await another.enterDecodeQueue("unpredictable", pdf.byteLength);
  expect(again).not.toBeNull();
  another[Symbol.dispose]();
});

test("a lookup has the decoder's cause of decode_timeout, and a coalesced one has it too, but a cache hit has none", async ({
  onTestFinished,
}) => {
  const decoder = await startDecoder(onTestFinished);
  await decoder.close();
  const picture = await photo(64, 48).jpeg().toBuffer();
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end(picture));
  const { ask } = createCachedService(decoder);
  const [first, coalesced] = [ask(origin.url("/a.jpg")), ask(origin.url("/a.jpg"))];
  expect((await first.done).warnings).toEqual(["decode_timeout"]);
  expect([first.decodeTimeoutCause, coalesced.decodeTimeoutCause]).toEqual(["closing", "closing"]);
  expect(coalesced.cached).toBe("collapsed");
  const hit = ask(origin.url("/a.jpg"));
  expect((await hit.done).warnings).toEqual(["decode_timeout"]);
  expect([hit.cached, hit.decodeTimeoutCause]).toEqual(["hit", null]);
});

test("a picture whose body was truncated has no cause of decode_timeout, because it does not have that warning", async ({
  onTestFinished,
}) => {
  const decoder = await startDecoder(onTestFinished);
  await decoder.close();
  const picture = await photo(64, 48).jpeg().toBuffer();
  const origin = await startOrigin(onTestFinished, (_request, response) => {
    response.writeHead(200, { "content-length": picture.byteLength + 1 }).write(picture, () => response.destroy());
  });
  const { ask } = createCachedService(decoder);
  const description = ask(origin.url("/a.jpg"));
  expect((await description.done).warnings).toEqual(["body_truncated"]);
  expect(description.decodeTimeoutCause).toBeNull();
});

test("load shedding rejects a lookup without a request to the origin", async ({ onTestFinished }) => {
  const decoder = await startDecoder(onTestFinished);
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end());
  const shedLoad = () => {
    throw new OracleError("overloaded", "load shedding");
  };
  const { outcome } = createCachedService(decoder, { admission: openAdmission({ shedLoad }) });
  expect(await outcome(origin.url("/a.jpg"))).toEqual(["miss", "overloaded"]);
  expect(origin.connections).toBe(0);
});
