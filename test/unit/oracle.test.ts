import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import { expect, test, vi } from "vitest";
import { answerBy, type Previous } from "../../src/domain/description.ts";
import { OracleError } from "../../src/domain/errors.ts";
import type { Fields } from "../../src/domain/fields.ts";
import { type Metadata, unknownMetadata } from "../../src/domain/metadata.ts";
import { noCacheHeaders } from "../../src/domain/terms.ts";
import type { NotModified } from "../../src/fetch/source.ts";
import type { Admission } from "../../src/load/admission.ts";
import type { Picture } from "../../src/media/decode/decoder.ts";
import { unknownPicture } from "../../src/media/decode/picture.ts";
import { decodableFormats } from "../../src/media/formats/index.ts";
import { createOracle, type OracleOptions } from "../../src/oracle.ts";
import { createFakeSource, type FakeSource, type FakeSourceOptions } from "../support/fake-source.ts";
import { unmeasured } from "../support/fetch.ts";
import { png } from "../support/heads.ts";
import { photo } from "../support/images.ts";
import { targetOf } from "../support/targets.ts";

const target = targetOf("https://example.org/a");
const preview = { blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj", thumbhash: "1QcSHQRnh493", thumbnail: null };
const decoded: Picture = { ...unknownPicture, ...preview, queueMs: 1, decodeMs: 20, hashMs: 300 };

interface LookupOptions extends Partial<Omit<OracleOptions, "decoder">> {
  readonly fields?: Fields;
  readonly previous?: Previous;
  readonly source?: FakeSourceOptions;
  /** Results of the decoder, in the order of its calls; the last one repeats. */
  readonly pictures?: readonly Picture[];
  readonly queue?: "open" | "full";
  /** Called when the body waits in the decode queue. */
  readonly onQueue?: (source: FakeSource) => void;
}

/** Starts the lookup of a body; the steps are in `events`. */
function start(body: Uint8Array | NotModified, options: LookupOptions = {}) {
  const events: string[] = [];
  const pictures = [...(options.pictures ?? [decoded])];
  const nextPicture = () => Promise.resolve(pictures.length > 1 ? pictures.shift()! : pictures[0]!);
  const nameOf = (bytes: Uint8Array, name: string) => `${name} of ${bytes.byteLength} bytes`;
  const source = body instanceof Uint8Array ? createFakeSource(body, options.source) : null;
  const opened = source ?? (body as NotModified);
  const disposing = <T extends object>(value: T, name: string) =>
    Object.assign(Object.create(value) as T, { [Symbol.dispose]: () => void events.push(`${name} disposed`) });
  const admission: Admission = {
    shedLoad: () => void events.push("load shedding"),
    admit: (_target, signal) =>
      Promise.resolve(
        disposing(
          {
            transfer: unmeasured(signal),
            enterDecodeQueue: (queue: string, bytes: number) => {
              events.push(`${queue} queue with ${bytes} bytes`);
              options.onQueue?.(source!);
              const permit = { arrived: () => void events.push("body arrived"), [Symbol.dispose]: () => undefined };
              return Promise.resolve(options.queue === "full" ? null : disposing(permit, "permit"));
            },
            releaseSlot: () => void events.push("slot released"),
            [Symbol.dispose]: () => undefined,
          },
          "lookup",
        ),
      ),
  };
  const oracle = createOracle({
    admission,
    openSource: () => Promise.resolve(disposing(opened, "source") as typeof opened),
    decoder: {
      enabled: Object.fromEntries(decodableFormats.map((name) => [name, true])),
      describe: (bytes: Uint8Array, { name }: { name: string }) => {
        events.push(`describe ${nameOf(bytes, name)}`);
        return nextPicture();
      },
      measure: (bytes: Uint8Array, { name }: { name: string }) => {
        events.push(`measure ${nameOf(bytes, name)}`);
        return nextPicture();
      },
    } as unknown as OracleOptions["decoder"],
    decodeOnce: async (_sha256, decode) => ({ result: await decode(), isOwn: true }),
    fetchTimeoutMs: 10_000,
    wholeBytes: 16 * 1024 ** 2,
    patienceMs: 10_000,
    ...options,
  });
  const description = oracle(target, options.fields, options.previous);
  return { description, events, source, decodes: () => events.filter((event) => /^(describe|measure) /.test(event)) };
}

async function lookUp(body: Uint8Array | NotModified, options: LookupOptions = {}) {
  const lookup = start(body, options);
  return { ...lookup, metadata: await lookup.description.done };
}

function header(width: number, height: number): Buffer {
  const bytes = Buffer.alloc(13);
  bytes.writeUInt32BE(width, 0);
  bytes.writeUInt32BE(height, 4);
  bytes.set([8, 2], 8);
  return bytes;
}

/** A PNG of 96 x 64 pixels with so many bytes of image data. */
const picture = (bytes = 1000) =>
  png(
    ["IHDR", header(96, 64)],
    ["IDAT", bytes === 0 ? deflateSync("") : Buffer.alloc(bytes, 7)],
    ["IEND", Buffer.alloc(0)],
  );

const sha256Of = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** Three seconds of a FLAC (RFC 9639), with a cover that is the first `coverBytes` behind its head, and `soundBytes` of frames. */
function flacWithCover(soundBytes: number): Buffer {
  const info = Buffer.alloc(34);
  info.set([0x0a, 0xc4, 0x42, 0xf0, 0, 2, 4, 0xcc], 10); // 44.1 kHz, 2 channels, 16 bits, 132,300 samples
  const cover = picture();
  const type = Buffer.from("image/png");
  const block = Buffer.concat([
    ...[uint32(3), uint32(type.length), type, uint32(0), Buffer.alloc(16)],
    ...[uint32(cover.length), cover],
  ]);
  const head = (type: number, content: Buffer) => uint32(type * 2 ** 24 + content.length);
  return Buffer.concat([
    ...[Buffer.from("fLaC"), head(0, info), info, head(0x86, block), block],
    Buffer.alloc(soundBytes, 1),
  ]);
}

test("a picture is read to its end and decoded, and its metadata has all facts", async () => {
  const body = picture();
  const { metadata, events, description } = await lookUp(body, { source: { declaredType: "image/png" } });
  expect(metadata).toEqual({
    ...unknownMetadata,
    ...preview,
    bytes: body.length,
    bytesSource: "counted",
    type: "image/png",
    width: 96,
    height: 64,
    animated: false,
    sha256: sha256Of(body),
  });
  expect(description).toMatchObject({ cached: "miss", fields: null, terms: noCacheHeaders, decodeTimeoutCause: null });
  expect(events).toEqual([
    "load shedding",
    `regular queue with ${body.length} bytes`,
    "body arrived",
    "slot released",
    `describe png of ${body.length} bytes`,
    "permit disposed",
    "source disposed",
    "lookup disposed",
  ]);
});

test("the times of the decoder are those of the lookup that started it, and of no other", async () => {
  const own = await lookUp(picture());
  expect(own.description.timings).toMatchObject({ decode: 20, hash: 300 });
  expect(own.description.timings.queue).toBeGreaterThanOrEqual(1);
  const other = await lookUp(picture(), {
    decodeOnce: async (_sha256, decode) => ({ result: await decode(), isOwn: false }),
  });
  expect(other.metadata.blurhash).toBe(preview.blurhash);
  expect(Object.keys(other.description.timings).sort()).toEqual(["fetch", "queue"]);
});

test("load shedding fails a lookup before anything else", async () => {
  const { description, events } = start(picture(), {
    admission: {
      shedLoad() {
        throw new OracleError("overloaded", "");
      },
      admit: () => Promise.reject(new Error("admitted")),
    },
  });
  await expect(description.done).rejects.toMatchObject({ code: "overloaded" });
  expect(events).toEqual([]);
});

test("304 Not Modified confirms the earlier metadata, and nothing is read or decoded", async () => {
  const notModified: NotModified = {
    isNotModified: true,
    terms: { ...noCacheHeaders, cacheControl: "max-age=60" },
    [Symbol.dispose]: () => undefined,
  };
  const metadata: Metadata = { ...unknownMetadata, bytes: 5 };
  const confirmed = await lookUp(notModified, { previous: { metadata, validators: null } });
  expect(confirmed.metadata).toBe(metadata);
  expect(confirmed.description).toMatchObject({ cached: "revalidated", terms: { cacheControl: "max-age=60" } });
  expect(confirmed.events).toEqual(["load shedding", "source disposed", "lookup disposed"]);
});

test("a text is not read beyond its head, and nothing more can be known of it", async () => {
  const { metadata, events, description, source } = await lookUp(Buffer.alloc(100_000, "a text "), {
    source: { declaredType: "text/plain", step: 1000 },
  });
  expect(metadata).toMatchObject({ type: "text/plain", bytes: 100_000, bytesSource: "declared", warnings: [] });
  expect([events.some((event) => event.includes("queue")), source!.received.byteLength < 20_000]).toEqual([
    false,
    true,
  ]);
  expect(description.fields).toBeNull();
});

test("a picture of which only its size is requested is not decoded, and its metadata is complete for that alone", async () => {
  const fields = ["width", "height", "type"] as const;
  const { metadata, decodes, description, source } = await lookUp(picture(100_000), { fields, source: { step: 4096 } });
  expect(metadata).toMatchObject({ width: 96, height: 64, sha256: null, blurhash: null, warnings: [] });
  expect([decodes(), source!.received.byteLength < 50_000]).toEqual([[], true]);
  expect(description.fields).toEqual(fields);
});

test("a requested hash needs all bytes, but no decoding", async () => {
  const body = picture(100_000);
  const { metadata, decodes } = await lookUp(body, { fields: ["sha256"], source: { step: 4096 } });
  expect(metadata).toMatchObject({ sha256: sha256Of(body), bytesSource: "counted", blurhash: null });
  expect(decodes()).toEqual([]);
});

test.each([
  ["of its declared length", {}, undefined, 5_000_000],
  ["of 1 MiB if its length is not declared", { declaredBytes: null }, undefined, 1_048_576],
  ["of at most 4 MiB if it is not read to its end", {}, ["blurhash"], 4_194_304],
  [
    "of 1 MiB if its length is not declared and it is not read to its end",
    { declaredBytes: null },
    ["blurhash"],
    1_048_576,
  ],
] as const)("the decode queue expects a body %s", async (_, source, fields, bytes) => {
  const { events } = await lookUp(flacWithCover(5_000_000).subarray(0, 5_000_000), {
    source: { step: 65_536, ...source },
    ...(fields && { fields }),
  });
  expect(events).toContain(`regular queue with ${bytes} bytes`);
});

test("a PDF waits in the queue of formats with unpredictable cost", async () => {
  const { events } = await lookUp(Buffer.from("%PDF-1.7\n%%EOF\n"));
  expect(events).toContain("unpredictable queue with 15 bytes");
});

test("a body that the decode queue rejects is not read to its end, and has the warning decode_timeout", async () => {
  const { metadata, description, decodes, source, events } = await lookUp(picture(100_000), {
    queue: "full",
    source: { step: 4096 },
  });
  expect(metadata).toMatchObject({ width: 96, blurhash: null, sha256: null, warnings: ["decode_timeout"] });
  expect(description.decodeTimeoutCause).toBe("queue_full");
  expect([decodes(), source!.received.byteLength < 50_000]).toEqual([[], true]);
  expect(events).toContain("slot released");
});

test("a short body that the decode queue rejects has arrived all the same: it is counted", async () => {
  const body = picture(100);
  const { metadata, decodes } = await lookUp(body, { queue: "full" });
  expect(metadata).toMatchObject({ sha256: sha256Of(body), bytesSource: "counted", warnings: ["decode_timeout"] });
  expect(decodes()).toEqual([]);
});

test.each([
  [16 * 1024 ** 2, true],
  [16 * 1024 ** 2 + 1, false],
])("without fields a body of %d declared bytes is read to its end: %s", async (length, isWhole) => {
  const file = flacWithCover(length).subarray(0, length);
  const { metadata } = await lookUp(file, { source: { step: 2 ** 20 } });
  expect([metadata.sha256 !== null, metadata.blurhash]).toEqual([isWhole, preview.blurhash]);
});

test("a body that is too large has a warning if a requested fact is missing", async () => {
  const source = { maxBytes: 1000, step: 4096 };
  const unlimited = await lookUp(picture(100_000), { source });
  expect(unlimited.metadata).toMatchObject({ width: 96, warnings: ["body_too_large"] });
  expect((await lookUp(picture(100_000), { source, fields: ["blurhash"] })).metadata.warnings).toEqual([
    "body_too_large",
  ]);
  const size = await lookUp(picture(100_000), { source, fields: ["width"] });
  expect(size.metadata).toMatchObject({ width: 96, warnings: [] });
  const text = await lookUp(Buffer.alloc(100_000, "a text "), { source });
  expect(text.metadata.warnings).toEqual([]);
});

test("a file that is too large has no warning if its requested preview is in the part that is read", async () => {
  const source = { maxBytes: 1_000_000, step: 65_536 };
  const { metadata } = await lookUp(flacWithCover(3_000_000), { fields: ["blurhash"], source });
  expect(metadata).toMatchObject({ blurhash: preview.blurhash, warnings: [] });
});

test("a body that is too large and whose origin stalls has the warning of the stall alone", async () => {
  const { description, source } = start(picture(100_000), {
    source: { maxBytes: 50_000, step: 4096, stallsAfter: 2000 },
    fields: ["blurhash"],
  });
  expect(await answerBy(description, 1)).toMatchObject({ partial: true });
  source!.timeOut();
  expect((await description.done).warnings).toEqual(["body_timeout"]);
});

test("a file with the same bytes as before is not decoded again", async () => {
  const body = picture();
  const metadata: Metadata = {
    ...unknownMetadata,
    ...preview,
    blurhash: "LKO2?U%2Tw=w]~RBVZRi};RPxuwH",
    sha256: sha256Of(body),
    width: 96,
    height: 64,
    animated: false,
  };
  const same = await lookUp(body, { previous: { metadata, validators: null } });
  expect(same.decodes()).toEqual([]);
  expect(same.metadata).toMatchObject({ blurhash: metadata.blurhash, width: 96, bytes: body.length, warnings: [] });
  expect(same.description.fields).toBeNull();
  for (const changes of [{ sha256: "0".repeat(64) }, { sha256: null }, { blurhash: null }]) {
    const other = await lookUp(body, { previous: { metadata: { ...metadata, ...changes }, validators: null } });
    expect([changes, other.decodes().length, other.metadata.blurhash]).toEqual([changes, 1, preview.blurhash]);
  }
});

test("a file that is not read to its end is never the same as an earlier one without a hash", async () => {
  const metadata: Metadata = { ...unknownMetadata, ...preview, blurhash: "LKO2?U%2Tw=w]~RBVZRi};RPxuwH" };
  const { decodes } = await lookUp(flacWithCover(3_000_000), {
    fields: ["blurhash"],
    previous: { metadata, validators: null },
    source: { step: 65_536 },
  });
  expect(decodes()).toHaveLength(1);
});

test("the warning of a decode and its cause are those of the lookup", async () => {
  const timedOut: Picture = { ...unknownPicture, warning: "decode_timeout", decodeTimeoutCause: "time_limit" };
  const { metadata, description } = await lookUp(picture(), { pictures: [timedOut] });
  expect(metadata).toMatchObject({ blurhash: null, width: 96, warnings: ["decode_timeout"] });
  expect(description.decodeTimeoutCause).toBe("time_limit");
});

test("a decode without a preview replaces no earlier one, and a decode without facts no known ones", async () => {
  const { metadata } = await lookUp(picture(), { pictures: [{ ...unknownPicture, thumbhash: "1QcSHQRnh493" }] });
  expect(metadata).toMatchObject({ width: 96, height: 64, animated: false, blurhash: null, thumbhash: null });
});

test("the decoder's facts complete those of the header, but do not contradict it about an animation", async () => {
  const facts: Picture = { ...decoded, width: 5, height: 6, durationMs: 70, animated: true };
  const { metadata } = await lookUp(picture(), { pictures: [facts] });
  expect(metadata).toMatchObject({ width: 5, height: 6, durationMs: 70, animated: false });
  const pdf = Buffer.from("%PDF-1.7\n%%EOF\n");
  expect((await lookUp(pdf, { pictures: [facts] })).metadata.animated).toBe(true);
  expect((await lookUp(pdf, { pictures: [decoded] })).metadata.animated).toBeNull();
});

const half = 512 * 1024;

test("of a sound that is read whole only its cover is decoded, if that saves 512 KiB", async () => {
  const pictures = [{ ...decoded, width: 96, height: 64, durationMs: 9 }];
  const large = flacWithCover(2 * half);
  const short = await lookUp(large, { pictures });
  const [, excerptBytes] = /^describe \w+ of (\d+) bytes$/.exec(short.decodes().join()) ?? [];
  expect(short.metadata).toMatchObject({
    ...{ ...preview, type: "audio/flac", bytes: large.length },
    ...{ width: null, height: null, animated: null, durationMs: 3000 },
  });
  const withoutSound = large.length - 2 * half;
  const soundBytes = Number(excerptBytes) + half - withoutSound;
  for (const [bytes, isShort] of [
    [soundBytes - 1, false],
    [soundBytes, true],
  ] as const) {
    const file = flacWithCover(bytes);
    const { decodes, metadata } = await lookUp(file, { pictures });
    expect(decodes()).toEqual([isShort ? short.decodes()[0] : `describe flac of ${file.length} bytes`]);
    expect(metadata).toMatchObject(preview);
  }
});

test("validators of earlier metadata are sent, and none without it", async () => {
  const validators = { etag: '"a"', lastModified: null, urlHash: "0".repeat(64) };
  const sent: unknown[] = [];
  const openSource: OracleOptions["openSource"] = (_target, given) => {
    sent.push(given);
    return Promise.resolve(createFakeSource(picture()));
  };
  await lookUp(picture(), { openSource, previous: { metadata: unknownMetadata, validators } });
  await lookUp(picture(), { openSource, previous: { metadata: unknownMetadata, validators: null } });
  await lookUp(picture(), { openSource });
  expect(sent).toEqual([validators, null, null]);
});

test("metadata is complete if the file was read whole and decoded, or if it is no media, for all requested fields", async () => {
  const whole = await lookUp(picture(), { fields: ["sha256", "blurhash"] });
  expect([whole.metadata.blurhash, whole.description.fields]).toEqual([preview.blurhash, null]);
  const text = await lookUp(Buffer.alloc(100_000, "a text "), { fields: ["blurhash"], source: { step: 1000 } });
  expect([text.metadata.blurhash, text.description.fields]).toEqual([null, null]);
  const fields = ["sha256"] as const;
  expect((await lookUp(picture(), { fields })).description.fields).toEqual(fields);
});

test("a cover that cannot be decoded is decoded once more as a part of its whole file", async () => {
  const file = flacWithCover(2 * half);
  const { decodes, metadata } = await lookUp(file, { pictures: [unknownPicture, decoded] });
  expect(decodes()).toEqual([expect.not.stringContaining(`${file.length}`), `describe flac of ${file.length} bytes`]);
  expect(metadata.blurhash).toBe(preview.blurhash);
});

/** An animated GIF (GIF89a) of two images, the second one with so many bytes of data. */
function animatedGif(bytes: number): Buffer {
  const screen = Buffer.from("GIF89a\x02\0\x02\0\0\0\0", "latin1");
  const descriptor = Buffer.from(",\0\0\0\0\x02\0\x02\0\0\x02", "latin1");
  const block = Buffer.concat([Buffer.from([255]), Buffer.alloc(255, 1)]);
  const blocks = Buffer.concat(Array<Buffer>(Math.ceil(bytes / 256)).fill(block));
  const end = Buffer.from([0]);
  return Buffer.concat([screen, descriptor, block, end, descriptor, blocks, end, Buffer.from(";")]);
}

test("of a large animation only its first frame is decoded", async () => {
  const body = animatedGif(3 * half);
  const { decodes, metadata } = await lookUp(body, {
    pictures: [{ ...decoded, width: 9, height: 9, animated: false }],
  });
  expect(decodes()).toEqual([expect.stringMatching(/^describe gif of \d{3} bytes$/)]);
  expect(metadata).toMatchObject({ ...preview, width: 2, height: 2, animated: true, bytes: body.length });
});

test("a large still picture is decoded whole, also if data follows its end", async () => {
  const jpeg = Buffer.concat([await photo(80, 60).jpeg().toBuffer(), Buffer.alloc(2 * half)]);
  for (const [name, body] of [
    ["png", picture(2 * half)],
    ["jpeg", jpeg],
  ] as const) {
    expect((await lookUp(body)).decodes()).toEqual([`describe ${name} of ${body.length} bytes`]);
  }
});

test("of a sound that is not read whole the cover is decoded, with its warning and its times", async () => {
  const options = { fields: ["blurhash"], source: { step: 65_536 } } as const;
  const file = flacWithCover(3_000_000);
  const { metadata, decodes, description } = await lookUp(file, options);
  expect(decodes()).toEqual([expect.stringMatching(/^describe \w+ of \d{4} bytes$/)]);
  expect(metadata).toMatchObject({ ...preview, sha256: null, bytesSource: "declared", warnings: [] });
  expect(description.timings).toMatchObject({ decode: 20, hash: 300 });
  expect(description.fields).toEqual(["blurhash"]);
  const timedOut: Picture = { ...unknownPicture, warning: "decode_timeout", decodeTimeoutCause: "lane_full" };
  const late = await lookUp(file, { ...options, pictures: [timedOut] });
  expect(late.metadata.warnings).toEqual(["decode_timeout"]);
  expect(late.description.decodeTimeoutCause).toBe("lane_full");
});

/** Ends a stalled body by a timeout as soon as nothing more is in progress. */
async function timeOut({ description, source }: ReturnType<typeof start>): Promise<Metadata> {
  await answerBy(description, 300);
  source!.timeOut();
  return description.done;
}

test("of a picture that is cut off only missing facts are measured: half a picture has another hash", async () => {
  const source = { stallsAfter: 20_000, step: 4096 };
  const measured = { ...decoded, width: 5, height: 6, durationMs: 70 };
  const lookup = start(picture(100_000), { source, pictures: [measured] });
  expect(await timeOut(lookup)).toMatchObject({
    ...{ width: 5, height: 6, durationMs: 70 },
    ...{ blurhash: null, sha256: null, bytesSource: "declared", warnings: ["body_timeout"] },
  });
  expect(lookup.decodes()).toEqual(["measure png of 20000 bytes"]);
  expect(lookup.description.fields).toBeNull();
  const withSize = start(picture(100_000), { source, fields: ["width", "blurhash"] });
  expect(await timeOut(withSize)).toMatchObject({ width: 96, height: 64, warnings: ["body_timeout"] });
  expect(withSize.decodes()).toEqual([]);
});

test("of a sound that is cut off behind its cover the cover is decoded, with the warning of the body alone", async () => {
  const timedOut: Picture = { ...decoded, warning: "decode_timeout", decodeTimeoutCause: "lane_full" };
  const lookup = start(flacWithCover(100_000), { source: { stallsAfter: 20_000, step: 4096 }, pictures: [timedOut] });
  expect(await timeOut(lookup)).toMatchObject({ ...preview, durationMs: 3000, warnings: ["body_timeout"] });
  expect(lookup.decodes()).toHaveLength(1);
  expect(lookup.description.decodeTimeoutCause).toBeNull();
});

test("a preview that was published while the body arrived is not decoded again if all facts are known", async () => {
  const fields = ["blurhash", "durationMs", "sha256"] as const;
  const source = { stallsAfter: 20_000, step: 4096 };
  const lookup = start(flacWithCover(100_000), { source, fields, patienceMs: 0 });
  expect(await timeOut(lookup)).toMatchObject({ ...preview, durationMs: 3000, warnings: ["body_timeout"] });
  expect(lookup.decodes()).toHaveLength(1);
});

test("a file of which the preview was published before its end is decoded again if a fact is missing", async () => {
  const source = { stallsAfter: 20_000, step: 4096 };
  const file = flacWithCover(100_000);
  const lookup = start(file, { source, patienceMs: 0 });
  await vi.waitFor(() => expect(lookup.decodes()).toHaveLength(1));
  lookup.source!.resume(Infinity);
  expect(await lookup.description.done).toMatchObject({ ...preview, durationMs: 3000, sha256: sha256Of(file) });
  expect(lookup.decodes().slice(1)).toEqual([`describe flac of ${file.length} bytes`]);
});

test("a body that is cut off while it waits in the decode queue has the warning of the cut alone", async () => {
  const { metadata, description } = await lookUp(picture(100_000), {
    source: { stallsAfter: 20_000, step: 4096 },
    queue: "full",
    onQueue: (source) => source.timeOut(),
  });
  expect(metadata).toMatchObject({ width: 96, warnings: ["body_timeout"] });
  expect(description.decodeTimeoutCause).toBeNull();
});
