import { setTimeout as after } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Description, startDescription } from "../../../src/domain/description.ts";
import type { Fields } from "../../../src/domain/fields.ts";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { createReading, type Rest } from "../../../src/reading.ts";
import { startDecoder } from "../../support/decoder.ts";
import { createFakeSource, type FakeSource } from "../../support/fake-source.ts";
import { photo } from "../../support/images.ts";

let decoder: Decoder;
const ends: (() => Promise<void>)[] = [];

beforeAll(async () => {
  decoder = await startDecoder((end) => ends.push(end));
});

afterAll(async () => {
  for (const end of ends) await end();
});

type Read = "stop" | "readPlanned" | "readWhole";

/** Reads the head of a source, and then the rest in one of three ways. */
function read(source: FakeSource, how: Read, fields: Fields = null): Description & { readonly rest: Promise<Rest> } {
  let resolveRest!: (rest: Promise<Rest>) => void;
  const rest = new Promise<Rest>((resolve) => (resolveRest = resolve));
  const description = startDescription(async (progress) => {
    const reading = createReading({ source, fields, progress, decoder, patienceMs: 0 });
    await reading.readHead();
    const read = reading[how]();
    resolveRest(read);
    await read;
    return progress.learn({});
  });
  return Object.assign(description, { rest });
}

describe("a body that stalls", () => {
  test("a body that stalls within its head is described by the bytes so far", async () => {
    const jpeg = await photo(300, 200).jpeg().toBuffer();
    const source = createFakeSource(jpeg, { stallsAfter: 700, declaredType: "text/plain" });
    const description = read(source, "readWhole");
    while (description.known?.width == null) await after(10);
    expect(description.known).toMatchObject({ type: "image/jpeg", width: 300, height: 200, warnings: [] });
    source.timeOut();
    expect(await description.done).toMatchObject({ type: "image/jpeg", width: 300, warnings: ["type_mismatch"] });
  });

  test("a body that ends by a timeout before it is sniffed is sniffed by what there is", async () => {
    const source = createFakeSource(await photo(30, 20).png().toBuffer(), { stallsAfter: 100 });
    const description = read(source, "stop");
    while (description.known?.width == null) await after(10);
    source.timeOut();
    expect(await description.done).toMatchObject({ type: "image/png", width: 30, height: 20 });
    expect((await description.rest).body).toMatchObject({ sha256: null, warning: "body_timeout" });
  });
});

test("a body that drips is not parsed again for each byte", async () => {
  const source = createFakeSource(Buffer.alloc(30_000, 0x80), { step: 1 });
  const description = read(source, "stop");
  expect(await description.done).toMatchObject({ type: "application/octet-stream" });
  expect(source.calls).toBeLessThan(60);
  expect(source.received.byteLength).toBeLessThan(13_000);
});

test("an empty body has neither format nor facts", async () => {
  const { done, rest } = read(createFakeSource(Buffer.alloc(0)), "readWhole");
  expect(await done).toMatchObject({ type: "application/octet-stream", width: null, warnings: [] });
  expect((await rest).body.bytes).toHaveLength(0);
});
