import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ffmpeg } from "../../support/decoder.ts";
import { blurhashError, photo } from "../../support/images.ts";
import { mediaFiles } from "../../support/media-files.ts";
import { type Origin, startOrigin } from "../../support/origin.ts";
import { requires } from "../../support/require.ts";
import { type Service, startService } from "../../support/service.ts";

const settings = { ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535" };
const patienceMs = 10_000; // longer than anything here takes, shorter than the fetch limit

let service: Service;
let progressive: Buffer;

beforeAll(async () => {
  service = await startService(settings);
  progressive = await photo(1024, 768).jpeg({ progressive: true, quality: 90 }).toBuffer();
});

afterAll(async () => {
  await service.stop();
});

async function ask(question: object, at = service): Promise<Record<string, unknown>> {
  const reply = await fetch(`${at.url}/metadata`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(question),
  });
  return (await reply.json()) as Record<string, unknown>;
}

/** Starts an origin that sends the beginning of a body, and the rest when the test calls `send`. */
async function startSlowOrigin(body: Buffer, beginning: number, headers = {}): Promise<Origin & { send: () => void }> {
  const waiting: ServerResponse[] = [];
  const origin = await startOrigin(onTestFinished, (_request, response) => {
    response.writeHead(200, { "content-length": body.byteLength, ...headers }).write(body.subarray(0, beginning));
    waiting.push(response);
  });
  const send = () => waiting.forEach((response) => response.end(body.subarray(beginning)));
  return Object.assign(origin, { send });
}

describe("by the deadline", () => {
  test.each([
    ["PNG", () => photo(300, 200).png(), 100, "image/png"],
    ["JPEG", () => photo(300, 200).jpeg(), 400, "image/jpeg"],
    ["JPEG that lies on its side", () => photo(200, 300).withMetadata({ orientation: 6 }).jpeg(), 1000, "image/jpeg"],
    ["WebP", () => photo(300, 200).webp(), 40, "image/webp"],
    ["GIF", () => photo(300, 200).gif(), 1000, "image/gif"], // through the first image descriptor
  ])(
    "the first bytes of a %s give its type, declared size and dimensions by the deadline",
    async (_, make, first, type) => {
      const body = await make().toBuffer();
      const origin = await startSlowOrigin(body, first, { "content-type": "application/octet-stream" });
      const reply = await ask({ url: origin.url("/a"), deadlineMs: 1500 });
      expect(reply).toMatchObject({ partial: true, type, bytes: body.byteLength, bytesSource: "declared" });
      expect([reply.width, reply.height]).toEqual([300, 200]);
    },
  );

  test("a progressive JPEG has a preliminary hash at the deadline, and the whole file's hash afterwards", async () => {
    const origin = await startSlowOrigin(progressive, Math.round(progressive.byteLength / 2));
    const url = origin.url("/a.jpg");
    const early = await ask({ url, deadlineMs: 3000 });
    expect(early).toMatchObject({ partial: true, bytesSource: "declared", sha256: null, width: 1024, animated: false });
    expect(early.thumbhash).not.toBeNull();
    const whole = ask({ url });
    origin.send();
    const sha256 = createHash("sha256").update(progressive).digest("hex");
    expect(await whole).toMatchObject({ partial: false, bytesSource: "counted", sha256, warnings: [] });
    expect(blurhashError(early.blurhash as string, (await whole).blurhash as string)).toBeLessThan(5);
    expect(origin.requests).toBe(1);
  });

  test("a progressive JPEG has no hash by the deadline if too little of it has arrived", async () => {
    const origin = await startSlowOrigin(progressive, 5000);
    expect(await ask({ url: origin.url("/a.jpg"), deadlineMs: 500 })).toMatchObject({ width: 1024, blurhash: null });
  });
});

test("a truncated progressive JPEG has a hash if its DC coefficients have arrived", async () => {
  const origin = await startOrigin(onTestFinished, (_request, response) => {
    response.writeHead(200, { "content-length": progressive.byteLength });
    response.write(progressive.subarray(0, progressive.byteLength / 2), () => response.destroy());
  });
  const reply = await ask({ url: origin.url("/a.jpg") });
  expect(reply).toMatchObject({ partial: false, width: 1024, sha256: null, warnings: ["body_truncated"] });
  expect(reply.blurhash).toHaveLength(28);
});

describe("a body above MEDIA_ORACLE_WHOLE_BYTES", () => {
  let small: Service;
  beforeAll(async () => {
    small = await startService({ ...settings, WHOLE_BYTES: "1000", EARLY_STOP: "true" });
  });
  afterAll(async () => {
    await small.stop();
  });

  test("a body above WHOLE_BYTES is read only as far as its hash needs", async () => {
    const origin = await startSlowOrigin(progressive, Math.round(progressive.byteLength / 2));
    const url = origin.url("/a.jpg");
    const reply = await ask({ url, deadlineMs: patienceMs }, small);
    expect(reply).toMatchObject({
      partial: false,
      bytes: progressive.byteLength,
      bytesSource: "declared",
      warnings: [],
    });
    expect([reply.sha256, reply.width, reply.height, (reply.blurhash as string).length]).toEqual([null, 1024, 768, 28]);
    await origin.idle();
    expect(await ask({ url }, small)).toEqual(reply);
    expect(origin.requests).toBe(1);
  });

  test("a body above WHOLE_BYTES is read to its end if sha256 is requested", async () => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(progressive));
    const reply = await ask({ url: origin.url("/a.jpg"), fields: ["sha256"] }, small);
    expect(reply.sha256).toBe(createHash("sha256").update(progressive).digest("hex"));
  });

  test("a response without Content-Length is counted to its end", async () => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.write(progressive);
      response.end();
    });
    const reply = await ask({ url: origin.url("/a.jpg") }, small);
    expect(reply).toMatchObject({ bytes: progressive.byteLength, bytesSource: "counted" });
  });

  test("EARLY_STOP is accepted, and its deprecation is logged", () => {
    expect(small.output()).toContain("MEDIA_ORACLE_EARLY_STOP is deprecated");
  });
});

describe("a file that is not media", () => {
  const text = Buffer.from("what somebody wrote. ".repeat(5000));
  test.each([
    ["a page", Buffer.concat([Buffer.from("<!doctype html><title>"), text]), "text/html"],
    ["a text", text, "text/plain"],
    ["an archive", Buffer.concat([Buffer.from("PK\x03\x04"), text]), "application/zip"],
    ["ciphertext", Buffer.alloc(100_000, Uint8Array.of(0x81, 0x12, 0xfe, 0x9c)), "application/octet-stream"],
  ])("%s: type and declared size, and the connection is gone", async (_, body, type) => {
    const origin = await startSlowOrigin(body, 40_000);
    const reply = await ask({ url: origin.url("/a"), deadlineMs: patienceMs });
    expect(reply).toMatchObject({
      partial: false,
      type,
      bytes: body.byteLength,
      bytesSource: "declared",
      sha256: null,
    });
    await origin.idle();
  });

  test("a small page that ends within the head is counted and hashed", async () => {
    const page = "<!doctype html><title>a page</title>";
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(page));
    const sha256 = createHash("sha256").update(page).digest("hex");
    expect(await ask({ url: origin.url("/a") })).toMatchObject({ bytes: page.length, bytesSource: "counted", sha256 });
  });
});

describe("fields", () => {
  const fields = ["url", "type", "bytes", "width", "height", "filename"];

  test("fields that the head contains need no further bytes, and a full request completes the entry", async () => {
    const body = await photo(600, 400).jpeg({ quality: 100 }).toBuffer();
    const origin = await startSlowOrigin(body, 20_000);
    const url = origin.url("/summit.jpg");
    const reply = await ask({ url, fields, deadlineMs: patienceMs });
    expect(reply).toMatchObject({ url, type: "image/jpeg", bytes: body.byteLength, width: 600, height: 400 });
    expect(reply).toMatchObject({ partial: false, filename: "summit.jpg", blurhash: null, sha256: null, warnings: [] });
    await origin.idle();
    expect(await ask({ url, fields })).toEqual(reply);
    expect(origin.requests).toBe(1);
    const full = ask({ url });
    while (origin.requests < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    origin.send();
    expect(await full).toMatchObject({ bytesSource: "counted", width: 600 });
    expect(await ask({ url, fields })).toEqual(await full);
    expect(origin.requests).toBe(2);
  });

  test("fields that need the whole body cause a full read", async () => {
    const body = await sharp({ create: { width: 60, height: 40, channels: 3, background: "red" } })
      .png()
      .toBuffer();
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(body));
    for (const field of ["blurhash", "sha256", "thumbhash", "animated"]) {
      const reply = await ask({ url: origin.url(`/${field}`), fields: ["type", field] });
      expect(reply[field]).not.toBeNull();
    }
  });

  test("the field bytes is counted if it was not declared", async () => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.write(progressive);
      response.end();
    });
    const reply = await ask({ url: origin.url("/a.jpg"), fields: ["bytes"] });
    expect(reply).toMatchObject({ bytes: progressive.byteLength, bytesSource: "counted" });
  });

  test("a request with fields is answered from the head of a lookup in flight", async () => {
    const origin = await startSlowOrigin(progressive, 20_000);
    const url = origin.url("/a.jpg");
    const full = ask({ url });
    while (origin.requests === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const reply = await ask({ url, fields, deadlineMs: patienceMs });
    expect(reply).toMatchObject({ partial: false, type: "image/jpeg", width: 1024, bytesSource: "declared" });
    origin.send();
    expect(await full).toMatchObject({ bytesSource: "counted" });
    expect(origin.requests).toBe(1);
  });

  test("the body of an undecodable picture is not read for its hash", async () => {
    const qoi = Buffer.concat([Buffer.from("qoif\0\0\x01\x2c\0\0\0\xc8\x04\0", "latin1"), Buffer.alloc(60_000)]);
    const origin = await startSlowOrigin(qoi, 30_000);
    const question = { url: origin.url("/a.qoi"), fields: ["width", "height", "blurhash"], deadlineMs: patienceMs };
    const reply = await ask(question);
    expect(reply).toMatchObject({ partial: false, type: "image/qoi", width: 300, height: 200, blurhash: null });
  });

  test("GET accepts fields as a comma-separated list", async () => {
    const origin = await startSlowOrigin(progressive, 20_000);
    const query = new URLSearchParams({
      url: origin.url("/a.jpg"),
      fields: fields.join(),
      deadlineMs: String(patienceMs),
    });
    const reply = (await (await fetch(`${service.url}/metadata?${query.toString()}`)).json()) as object;
    expect(reply).toMatchObject({ partial: false, width: 1024, blurhash: null });
  });
});

describe.skipIf(requires("ffmpeg", ffmpeg !== null))("a video with its header at the end", () => {
  const known = { type: "video/mp4", durationMs: 2000, width: 96, height: 64 };
  let video: Buffer;
  beforeAll(async () => {
    video = await mediaFiles.isobmff.make();
  });

  /** Sends only the beginning of the whole file; `answer` responds to range requests. */
  async function startVideoOrigin(answer: (from: number, response: ServerResponse) => void): Promise<Origin> {
    return startOrigin(onTestFinished, (request, response) => {
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1]);
      if (from > 0) return answer(from, response);
      response.writeHead(200, { "content-length": video.byteLength }).write(video.subarray(0, 45_000));
    });
  }

  const sendTail = (from: number, response: ServerResponse) => {
    const { byteLength } = video;
    response.writeHead(206, { "content-range": `bytes ${from}-${byteLength - 1}/${byteLength}` });
    response.end(video.subarray(from));
  };

  test("a video with its header at the end gets size and duration from one range request", async () => {
    const origin = await startVideoOrigin(sendTail);
    const question = { url: origin.url("/a.mp4"), fields: ["bytes", "width", "durationMs"], deadlineMs: patienceMs };
    expect(await ask(question)).toMatchObject({ ...known, partial: false, bytes: video.byteLength, sha256: null });
    await origin.idle();
  });

  test.each([
    ["refuses", (_from: number, response: ServerResponse) => response.writeHead(416).end()],
    ["ignores", (_from: number, response: ServerResponse) => response.writeHead(200).end(video)],
  ])("a video with its header at the end is read on to there if the server %s the range", async (_, answer) => {
    const origin = await startOrigin(onTestFinished, (request, response) => {
      if (request.headers.range !== undefined) answer(1, response);
      else response.end(video);
    });
    const reply = await ask({ url: origin.url("/a.mp4"), fields: ["width", "durationMs"] });
    expect(reply).toMatchObject({ ...known, warnings: [] });
  });

  test("a video over the size limit still gets its size and duration from a range request", async () => {
    const small = await startService({ ...settings, MAX_BYTES: "40000" });
    onTestFinished(async () => void (await small.stop()));
    const origin = await startVideoOrigin(sendTail);
    const reply = await ask({ url: origin.url("/a.mp4"), deadlineMs: patienceMs }, small);
    expect(reply).toMatchObject({ ...known, bytes: video.byteLength, warnings: ["body_too_large"] });
  });
});
