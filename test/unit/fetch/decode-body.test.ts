import { createHash } from "node:crypto";
import { getEventListeners } from "node:events";
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import type { IncomingBody } from "../../../src/fetch/body.ts";
import {
  createDecodedBody,
  type DecodableCoding,
  type DecodedBodyOptions,
  isDecodable,
} from "../../../src/fetch/decode-body.ts";
import { createByteBudget } from "../../../src/load/byte-budget.ts";
import { unmeasured } from "../../support/fetch.ts";
import { noise } from "../../support/images.ts";

const mebibyte = 1024 * 1024;

function bodyWith({
  budgetBytes = 100 * mebibyte,
  ...options
}: Partial<DecodedBodyOptions> & { budgetBytes?: number } = {}) {
  const budget = createByteBudget(budgetBytes);
  const control = { resume: vi.fn(), close: vi.fn() };
  const received = vi.fn();
  const body = createDecodedBody({
    coding: "gzip",
    lender: budget.lenderTo(null),
    meter: { ...unmeasured(AbortSignal.any([])), received },
    maxBytes: 20 * mebibyte,
    headBytes: 64 * 1024,
    signal: AbortSignal.any([]),
    control,
    ...options,
  });
  return { body, budget, control, received };
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const random = (bytes: number) => Buffer.from(noise(Math.ceil(bytes / 4), 1, 1, { alpha: true })).subarray(0, bytes);

/** Compresses the bytes to exactly `wireBytes` bytes, with a file name in the header (RFC 1952 2.3.1). */
function gzipWithName(bytes: Uint8Array, wireBytes: number): Buffer {
  const plain = gzipSync(bytes);
  const header = Buffer.from(plain.subarray(0, 10));
  header[3] = 0x08; // FNAME
  const name = Buffer.alloc(wireBytes - plain.length, "a");
  name[name.length - 1] = 0;
  return Buffer.concat([header, name, plain.subarray(10)]);
}

const coded: [name: string, coding: DecodableCoding, encode: (bytes: Uint8Array) => Buffer][] = [
  ["gzip", "gzip", gzipSync],
  ["deflate", "deflate", deflateSync],
  ["raw deflate", "deflate", deflateRawSync],
  ["br", "br", brotliCompressSync],
];

test("the content codings gzip, deflate and br are decoded, and no others", () => {
  const codings = ["gzip", "deflate", "br", "zstd", "compress", "dcb", "dcz"];
  expect(codings.filter(isDecodable)).toEqual(["gzip", "deflate", "br"]);
});

describe("a decoded body", () => {
  test.each(coded)("a body in %s has the bytes and the hash of the decoded file", async (_name, coding, encode) => {
    for (const bytes of [Buffer.alloc(0), Buffer.from("a"), random(1_000_000)]) {
      const { body, budget, received } = bodyWith({ coding });
      const whole = body.body();
      const wire = encode(bytes);
      for (let at = 0; at < wire.length; at += 60_000) body.write(wire.subarray(at, at + 60_000));
      body.end("complete");
      expect(await whole).toEqual({ bytes: new Uint8Array(bytes), sha256: sha256(bytes), warning: null });
      const receivedBytes = received.mock.calls.reduce((sum, [length]) => sum + Number(length), 0);
      expect([body.declaredBytes, receivedBytes]).toEqual([null, wire.length]);
      body.release();
      expect(budget.used).toBe(0);
    }
  });

  test.each(coded)("a body in %s may arrive byte by byte, in memory that is reused", async (_name, coding, encode) => {
    const bytes = random(3000);
    const { body } = bodyWith({ coding });
    const piece = Buffer.alloc(1);
    for (const byte of encode(bytes)) {
      piece[0] = byte;
      body.write(piece);
    }
    body.end("complete");
    expect(await body.body()).toMatchObject({ sha256: sha256(bytes) });
  });

  test.each(coded)("a body in %s that is cut has the bytes that could be decoded", async (_name, coding, encode) => {
    const bytes = random(1_000_000);
    const wire = encode(bytes);
    for (const how of ["truncated", "complete"] as const) {
      const { body, budget } = bodyWith({ coding });
      const whole = body.body();
      body.write(wire.subarray(0, wire.length / 4));
      body.write(wire.subarray(wire.length / 4, wire.length / 2));
      body.end(how);
      const { bytes: decoded, ...rest } = await whole;
      expect(rest).toEqual({ sha256: null, warning: "body_truncated" });
      expect(decoded.length).toBeGreaterThan(499_000);
      expect(Buffer.from(decoded).equals(bytes.subarray(0, decoded.length))).toBe(true);
      body.release();
      expect(budget.used).toBe(0);
    }
  });

  test("a decoded byte that was held back is read from a body that is cut meanwhile", async () => {
    const bytes = random(65_537);
    const { body } = bodyWith();
    body.write(gzipSync(bytes).subarray(0, -8));
    await body.arrived(65_536);
    expect(body.hasEnough).toBe(true);
    body.end("truncated");
    expect(await body.body()).toEqual({ bytes: new Uint8Array(bytes), sha256: null, warning: "body_truncated" });
  });

  test("a stopped body counts no further bytes, and takes no memory when its exchange ends", () => {
    const { body, budget, received } = bodyWith();
    body.write(gzipSync(random(1000)).subarray(0, 15));
    body.stop();
    expect(body.write(Buffer.alloc(100))).toBe(false);
    body.end("complete");
    expect(received.mock.calls).toEqual([[15]]);
    expect(budget.used).toBe(0);
  });

  test("a body that is cut behind the end of its coding is truncated", async () => {
    const bytes = random(1000);
    const { body } = bodyWith();
    body.write(gzipSync(bytes));
    body.end("truncated");
    expect(await body.body()).toEqual({ bytes: new Uint8Array(bytes), sha256: null, warning: "body_truncated" });
  });

  test("a body that is cut before anything could be decoded is truncated, since its origin may send all of it later", async () => {
    for (const how of ["truncated", "complete"] as const) {
      const { body } = bodyWith();
      body.write(gzipSync(random(1000)).subarray(0, 9));
      body.end(how);
      expect(await body.body()).toEqual({ bytes: new Uint8Array(0), sha256: null, warning: "body_truncated" });
    }
  });

  test("a body whose deadline passes ends with the bytes decoded so far, also after its exchange", async () => {
    const bytes = random(1_000_000);
    for (const isWhole of [false, true]) {
      const deadline = new AbortController();
      const { body, control } = bodyWith({ signal: deadline.signal });
      const wire = gzipSync(bytes);
      body.write(wire.subarray(0, 200_000));
      const head = await body.arrived(64 * 1024);
      expect(head.length).toBeGreaterThanOrEqual(64 * 1024);
      if (isWhole) body.end("complete");
      deadline.abort();
      const { warning, bytes: decoded } = await body.body();
      expect([warning, decoded.length > 0, control.close.mock.calls.length > 0]).toEqual(["body_timeout", true, true]);
    }
  });

  test("a body without any bytes is an empty file", async () => {
    const { body } = bodyWith();
    expect(body.hasEnough).toBe(false);
    body.end("complete");
    const empty = new Uint8Array(0);
    expect(await body.body()).toEqual({ bytes: empty, sha256: sha256(empty), warning: null });
    expect(body.hasEnough).toBe(false);
  });

  test.each(["78", "7801", "03"])("a deflate body of the bytes %s only is truncated", async (hex) => {
    const { body } = bodyWith({ coding: "deflate" });
    body.write(Buffer.from(hex, "hex"));
    body.end("complete");
    expect(await body.body()).toEqual({ bytes: new Uint8Array(0), sha256: null, warning: "body_truncated" });
  });

  test.each<[how: string, end: (body: IncomingBody, wire: Buffer) => void, warning: string | null]>([
    ["ends", (body, wire) => (body.write(wire.subarray(1000)), body.end("complete")), null],
    ["is cut", (body) => body.end("truncated"), "body_truncated"],
    ["times out", (body) => body.end("timeout"), "body_timeout"],
    ["is stopped", (body) => body.stop(), null],
    ["is released", (body) => body.release(), "body_timeout"],
    ["cannot be decoded", (body) => void body.write(Buffer.alloc(2500, 0xff)), "body_truncated"],
    ["exceeds the limit", (body) => void body.write(Buffer.alloc(5000)), "body_too_large"],
  ])("a body that %s leaves no listener on its signal, and no memory of its decoder", async (_how, end, warning) => {
    const { signal } = new AbortController();
    const { body, budget } = bodyWith({ signal, maxBytes: 4000 });
    const wire = gzipSync(random(3000));
    body.write(wire.subarray(0, 1000));
    const whole = body.body();
    await body.arrived(900);
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    end(body, wire);
    expect((await whole).warning).toBe(warning);
    expect(getEventListeners(signal, "abort")).toEqual([]);
    expect(budget.used).toBeLessThanOrEqual(4096);
  });

  test("a gzip body with data that cannot be decoded is truncated, or encoded if nothing was decoded", async () => {
    const wire = gzipSync(random(1_000_000));
    const broken = bodyWith();
    broken.body.write(wire.subarray(0, 500_000));
    await broken.body.arrived(1);
    broken.body.write(Buffer.alloc(100_000, 0xff));
    expect((await broken.body.body()).warning).toBe("body_truncated");
    const wrong = bodyWith();
    wrong.body.write(Buffer.concat([wire.subarray(0, 10), Buffer.alloc(100, 0xff)]));
    expect(await wrong.body.body()).toEqual({ bytes: new Uint8Array(0), sha256: null, warning: "body_encoded" });
    expect(wrong.control.close).toHaveBeenCalled();
    expect(wrong.body.write(Buffer.alloc(1))).toBe(false);
  });
});

describe("a body that is not coded as gzip in spite of its header", () => {
  test.each([
    ["JPEG", "ffd8ffe000104a46494600010100000100010000"],
    ["PDF", Buffer.from("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj", "latin1").toString("hex")],
    ["SVG", Buffer.from(" <svg width='1' height='1'/>").toString("hex")],
    ["a short file", "0001"],
    ["a single byte", "00"],
    ["a file with the first byte of gzip", "1f0008000000000000000000000000000000"],
    ["a file with the second byte of gzip", "008b08000000000000000000000000000000"],
  ])("a body of %s is taken as it is", async (_name, hex) => {
    const bytes = Buffer.from(hex, "hex");
    const { body } = bodyWith();
    for (const byte of bytes) body.write(Uint8Array.of(byte));
    body.end("complete");
    expect(await body.body()).toEqual({ bytes: new Uint8Array(bytes), sha256: sha256(bytes), warning: null });
  });

  test("a plain text is not read, and its connection is closed", async () => {
    const { body, control } = bodyWith();
    expect(body.write(Buffer.from("a text that is no picture"))).toBe(false);
    expect(await body.body()).toMatchObject({ warning: "body_encoded" });
    expect(control.close).toHaveBeenCalled();
  });
});

describe("the bounds of a decoded body", () => {
  const bombs: [name: string, coding: DecodableCoding, wire: Buffer][] = [
    ["gzip", "gzip", gzipSync(Buffer.alloc(50 * mebibyte))],
    ["deflate", "deflate", deflateSync(Buffer.alloc(50 * mebibyte))],
    ["br", "br", brotliCompressSync(Buffer.alloc(50 * mebibyte), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
  ];

  test.each(bombs)("a decompression bomb in %s ends at the ratio limit, with its head", async (_name, coding, wire) => {
    const { body, budget, control } = bodyWith({ coding, maxBytes: 1000 * mebibyte });
    const whole = body.body();
    body.write(wire);
    body.end("complete");
    const { bytes, warning } = await whole;
    expect([bytes.length, warning]).toEqual([64 * 1024, "body_too_large"]);
    expect(control.close).toHaveBeenCalled();
    expect(budget.used).toBe(64 * 1024);
    body.release();
    expect(budget.used).toBe(0);
  });

  test("a decoded body has at most 4 MiB and 200 bytes more per coded byte", async () => {
    const limit = 4 * mebibyte + 200 * 10_000;
    for (const [bytes, warning] of [
      [limit, null],
      [limit + 1, "body_too_large"],
    ] as const) {
      const wire = gzipWithName(Buffer.alloc(bytes), 10_000);
      expect(wire).toHaveLength(10_000);
      const { body } = bodyWith();
      const whole = body.body();
      body.write(wire);
      body.end("complete");
      expect((await whole).warning).toBe(warning);
    }
  });

  test("the limit holds for the coded bytes too: maxBytes of them are read, and not one more", async () => {
    const bytes = random(50_000);
    const wire = gzipSync(bytes);
    for (const [maxBytes, warning] of [
      [wire.length, null],
      [wire.length - 1, "body_too_large"],
    ] as const) {
      const { body, control } = bodyWith({ maxBytes });
      const whole = body.body();
      body.write(wire.subarray(0, 40_000));
      await body.arrived(30_000);
      expect(body.write(wire.subarray(40_000))).toBe(warning === null);
      body.end("complete");
      expect((await whole).warning).toBe(warning);
      expect(control.close).toHaveBeenCalled();
    }
  });

  test("a body that is too large when decoded ends its exchange and its decoder", async () => {
    const { body, budget, control } = bodyWith({ maxBytes: 100_000 });
    const whole = body.body();
    body.write(gzipSync(random(100_001)));
    expect(await whole).toMatchObject({ warning: "body_too_large" });
    expect(control.close).toHaveBeenCalled();
    expect(budget.used).toBe(64 * 1024);
    const exact = bodyWith({ maxBytes: 100_000 });
    exact.body.write(gzipSync(random(100_000)));
    exact.body.end("complete");
    expect(await exact.body.body()).toMatchObject({ warning: null });
  });

  test("a decoder begins with the 16th byte, and takes 256 KiB of the byte budget", () => {
    const wire = gzipSync(random(3000));
    const { body, budget } = bodyWith();
    body.write(wire.subarray(0, 15));
    expect(budget.used).toBe(0);
    body.write(wire.subarray(15, 16));
    expect(budget.used).toBe(256 * 1024);
    body.release();
    expect(budget.used).toBe(0);
  });

  test.each([
    [10, 256],
    [16, 256],
    [17, 256],
    [18, 256],
    [19, 512],
    [20, 1024],
    [21, 2048],
    [22, 4096],
    [23, 8192],
    [24, 16_384],
  ])("a Brotli window of 2^%i bytes takes %i KiB of the byte budget", (windowBits, kibibytes) => {
    const { body, budget } = bodyWith({ coding: "br" });
    body.write(brotliCompressSync(random(1000), { params: { [constants.BROTLI_PARAM_LGWIN]: windowBits } }));
    expect(budget.used).toBe(kibibytes * 1024);
    body.release();
  });

  test("the smallest Brotli stream, of an empty file, takes no more of the byte budget than others", async () => {
    const wire = Buffer.from("06", "hex"); // a window of 2^16 bytes, and the last, empty block
    const { body, budget } = bodyWith({ coding: "br" });
    body.write(wire);
    body.end("complete");
    expect(budget.used).toBe(256 * 1024);
    expect(await body.body()).toMatchObject({ sha256: sha256(new Uint8Array(0)), warning: null });
  });

  test("a body of more than maxBytes is cut at that limit, decoded or coded", async () => {
    const decoded = bodyWith({ maxBytes: 100_000 });
    const whole = decoded.body.body();
    decoded.body.write(gzipSync(random(100_001)));
    expect(await whole).toMatchObject({ warning: "body_too_large" });
    // A header with an endless file name: nothing is decoded of it.
    const coded = bodyWith({ maxBytes: 100_000 });
    coded.body.write(Buffer.from("1f8b0808000000000003", "hex"));
    for (let sent = 0; sent < 100_000; sent += 10_000) coded.body.write(Buffer.alloc(10_000, "a"));
    expect(await coded.body.body()).toMatchObject({ warning: "body_encoded" });
  });

  test("backpressure stops the decoder and the exchange until more is requested", async () => {
    const bytes = random(4 * mebibyte);
    const wire = gzipSync(bytes);
    const { body, budget, control } = bodyWith();
    let at = 0;
    const send = () => {
      for (; at < wire.length && !body.hasEnough; at += 30_000) body.write(wire.subarray(at, at + 30_000));
      if (at >= wire.length) body.end("complete");
    };
    control.resume.mockImplementation(send);
    send();
    await body.arrived(64 * 1024);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(at).toBeLessThan(mebibyte);
    expect(budget.used).toBeLessThan(mebibyte);
    expect((await body.arrived(mebibyte)).length).toBeGreaterThanOrEqual(mebibyte);
    expect(body.outcome).toBeNull();
    const whole = body.body();
    send();
    expect(await whole).toMatchObject({ sha256: sha256(bytes), warning: null });
  });

  test("the memory of a Brotli window counts against the byte budget, and is freed at the end", async () => {
    const bytes = random(1000);
    const wire = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_LGWIN]: 24 } });
    const { body, budget } = bodyWith({ coding: "br" });
    body.write(wire);
    expect(budget.used).toBe(16 * mebibyte);
    body.end("complete");
    await body.body();
    expect(budget.used).toBe(4096);
    const refused = bodyWith({ coding: "br", budgetBytes: 10 * mebibyte });
    expect(refused.body.write(wire)).toBe(false);
    await expect(refused.body.body()).rejects.toMatchObject({ code: "overloaded" });
    expect(refused.budget.used).toBe(0);
  });

  test.each(["stop", "release"] as const)("%s() ends the decoder and frees its memory", async (method) => {
    const { body, budget } = bodyWith({ coding: "br" });
    body.write(brotliCompressSync(random(100_000)).subarray(0, 50_000));
    await body.arrived(1);
    body[method]();
    expect(budget.used).toBeLessThanOrEqual(128 * 1024);
    body.release();
    expect(budget.used).toBe(0);
    expect(body.write(Buffer.alloc(100))).toBe(false);
  });
});
