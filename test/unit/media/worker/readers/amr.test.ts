import { expect, test } from "vitest";
import { reader } from "../../../../../src/media/worker/readers/amr.ts";
import { latin1 } from "../../../../support/heads.ts";

// Bits of speech in a frame by its type: 3GPP TS 26.101, table 2 and TS 26.201, table 2. The types between are reserved.
const narrowBits = [95, 103, 118, 134, 148, 159, 204, 244, 39];
const wideBits = [132, 177, 253, 285, 317, 365, 397, 461, 477, 40];

const kinds = [
  ["narrowband", "#!AMR\n", narrowBits],
  ["wideband", "#!AMR-WB\n", wideBits],
] as const;

const rows = kinds.flatMap(([kind, signature, bitsOf]) =>
  Array.from({ length: 16 }, (_, type) => [kind, type, signature, bitsOf[type] ?? 0] as const),
);

/** A frame of RFC 4867, 5.3: its header, then the bits. All bytes are the header, so that a wrong length is noticed. */
const frame = (type: number, bits: number) => Buffer.alloc(1 + Math.ceil(bits / 8), (type << 3) | 0x84);

const measure = (body: Uint8Array, isWhole = true) => reader.measure!(body, isWhole);

test.each(rows)("100 %s frames of type %i last 2 s", async (_, type, signature, bits) => {
  const body = Buffer.concat([latin1(signature), ...Array.from({ length: 100 }, () => frame(type, bits))]);
  expect(await measure(body)).toEqual({ width: null, height: null, animated: null, durationMs: 2000 });
});

test("frames of different types each last 20 ms", async () => {
  const body = Buffer.concat([latin1("#!AMR\n"), frame(7, 244), frame(8, 39), frame(15, 0), frame(0, 95)]);
  expect(await measure(body)).toMatchObject({ durationMs: 80 });
});

test("the first bytes of speech have no duration", async () => {
  const body = Buffer.concat([latin1("#!AMR\n"), frame(7, 244)]);
  expect(await measure(body, false)).toMatchObject({ durationMs: null });
});

test.each(["#!AMR\n", "#!AMR-WB\n"])("%j without a frame is rejected", async (signature) => {
  await expect(measure(latin1(signature))).rejects.toThrow("no frames");
});

test("speech has no picture", async () => {
  expect(await reader.show(latin1("#!AMR\n"))).toBeNull();
});
