import { expect, test } from "vitest";
import { createPartialBodies, partialShare, type PartialBody } from "../../../src/fetch/partial-bodies.ts";

const mebibyte = 1024 ** 2;

function partial(name: string, bytes: number): PartialBody {
  const validators = { etag: '"1"', lastModified: null, urlHash: name };
  const headers = { "content-type": "image/png", "set-cookie": "secret=1", "content-length": "9" };
  return { bytes: new Uint8Array(bytes).fill(7), length: 10 * bytes, validators, headers };
}

test("a beginning is taken once, as a copy, with the headers that describe the body", () => {
  const bodies = createPartialBodies({ maxBytes: mebibyte, now: () => 0 });
  const kept = partial("a", 100_000);
  bodies.keep(kept);
  kept.bytes.fill(0);
  const taken = bodies.take("a")!;
  expect([taken.bytes.length, taken.bytes[5], taken.length]).toEqual([100_000, 7, 1_000_000]);
  expect(JSON.stringify(taken.headers)).toBe('{"content-type":"image/png"}');
  expect(bodies.take("a")).toBeNull();
});

test("a beginning that a new connection would bring as soon is not kept, nor one of more than half of the room", () => {
  const bodies = createPartialBodies({ maxBytes: mebibyte, now: () => 0 });
  bodies.keep(partial("small", 10_000));
  bodies.keep(partial("large", 600_000));
  expect([bodies.take("small"), bodies.take("large")]).toEqual([null, null]);
});

test("the limit of all beginnings may be any number, as a share of a setting is", () => {
  const bodies = createPartialBodies({ maxBytes: (8 * mebibyte + 1) / 8, now: () => 0 });
  bodies.keep(partial("a", 524_288));
  expect(bodies.take("a")!.bytes).toHaveLength(524_288);
});

test("a beginning of 64 KiB and one of half of the room are kept, but none of a byte less or more", () => {
  const bodies = createPartialBodies({ maxBytes: mebibyte, now: () => 0 });
  for (const bytes of [65_535, 65_536, 524_288, 524_289]) bodies.keep(partial(String(bytes), bytes));
  expect(["65535", "65536", "524288", "524289"].map((name) => bodies.take(name)?.bytes.length ?? null)).toEqual([
    null,
    65_536,
    524_288,
    null,
  ]);
});

test("all beginnings have an eighth of the memory for bodies: 16 MiB each with the default of 256 MiB", () => {
  const bodies = createPartialBodies({ maxBytes: 256 * mebibyte * partialShare, now: () => 0 });
  bodies.keep(partial("a", 16 * mebibyte));
  bodies.keep(partial("b", 16 * mebibyte));
  bodies.keep(partial("c", 16 * mebibyte + 1));
  expect(["a", "b", "c"].map((name) => bodies.take(name) !== null)).toEqual([true, true, false]);
});

test.for([
  [{ etag: null, lastModified: "Sat, 28 Nov 2026 00:00:00 GMT" }, true],
  [{ etag: 'W/"1"', lastModified: "Sat, 28 Nov 2026 00:00:00 GMT" }, true],
  [{ etag: '"1"', lastModified: null }, true],
  [{ etag: null, lastModified: null }, false],
] as const)("a beginning with the validators %j is kept: %s", ([validators, isKept]) => {
  const bodies = createPartialBodies({ maxBytes: mebibyte, now: () => 0 });
  const { validators: own, ...rest } = partial("a", 100_000);
  bodies.keep({ ...rest, validators: { ...own, ...validators } });
  expect(bodies.take("a") !== null).toBe(isKept);
});

test("a beginning with only a weak tag is not kept, because the tag does not promise the same bytes", () => {
  const bodies = createPartialBodies({ maxBytes: mebibyte, now: () => 0 });
  const weak = partial("a", 100_000);
  bodies.keep({ ...weak, validators: { ...weak.validators, etag: 'W/"1"' } });
  expect(bodies.take("a")).toBeNull();
});

test("the oldest beginnings give way to new ones beyond the bound", () => {
  const bodies = createPartialBodies({ maxBytes: mebibyte, now: () => 0 });
  for (const name of ["a", "b", "c"]) bodies.keep(partial(name, 400_000));
  expect(["a", "b", "c"].map((name) => bodies.take(name) !== null)).toEqual([false, true, true]);
});

test("a beginning expires after a quarter of an hour", () => {
  let time = 1;
  const bodies = createPartialBodies({ maxBytes: mebibyte, now: () => time });
  bodies.keep(partial("a", 100_000));
  bodies.keep(partial("b", 100_000));
  time += 15 * 60_000;
  expect(bodies.take("b")).not.toBeNull();
  time += 1;
  expect(bodies.take("a")).toBeNull();
});

test("without room for two of the smallest beginnings nothing is kept", () => {
  const bodies = createPartialBodies({ maxBytes: 1000, now: () => 0 });
  bodies.keep(partial("a", 100_000));
  expect(bodies.take("a")).toBeNull();
  const smallest = createPartialBodies({ maxBytes: 2 * 65_536, now: () => 0 });
  smallest.keep(partial("a", 65_536));
  expect(smallest.take("a")).not.toBeNull();
});
