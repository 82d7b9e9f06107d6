import { expect, test, vi } from "vitest";
import { createAdmission } from "../../../src/load/admission.ts";
import type { Limits } from "../../../src/load/semaphore.ts";

const mebibyte = 1024 ** 2;
const defaults = {
  maxFetches: 8,
  maxWaiting: 8,
  maxFetchBytes: 64 * mebibyte,
  maxBodyBytes: 16 * mebibyte,
  decoder: { expectedMs: 0 },
  now: () => performance.now(),
};
const { signal } = new AbortController();

function limitsOf(site: string): Limits {
  return [{ key: site, maxActive: 8 }];
}

test("a fetch slot is free for another lookup as soon as it is released, and the transfer goes on", async () => {
  const admission = createAdmission({ ...defaults, maxFetches: 1 });
  const first = await admission.takeFetchSlot(limitsOf("a"), signal);
  const second = admission.takeFetchSlot(limitsOf("b"), signal);
  expect([admission.activeFetches, admission.waiting.fetch]).toEqual([1, 1]);
  first.release();
  const slot = await second;
  expect([admission.activeFetches, admission.waiting.fetch, first.transfer.signal.aborted]).toEqual([1, 0, false]);
  first[Symbol.dispose]();
  slot[Symbol.dispose]();
  expect(admission.activeFetches).toBe(0);
});

test("a site has at most a quarter of the queue for fetch slots", async () => {
  const admission = createAdmission({ ...defaults, maxFetches: 1 });
  using slot = await admission.takeFetchSlot(limitsOf("other"), signal);
  expect(slot.transfer.signal.aborted).toBe(false);
  const end = new AbortController();
  const waiting = [1, 2, 3].map(() =>
    admission.takeFetchSlot(limitsOf("a"), end.signal).catch((error: unknown) => error),
  );
  expect(await waiting[2]).toMatchObject({ code: "host_busy" });
  expect(admission.waiting.fetch).toBe(2);
  end.abort();
  await Promise.all(waiting);
});

test("bodies of unpredictable cost have a queue of their own, as small as their memory", async () => {
  const admission = createAdmission(defaults);
  const enter = (site: string) => admission.enterDecodeQueue("unpredictable", mebibyte, limitsOf(site), signal);
  const [first, second] = await Promise.all([enter("a"), enter("b")]); // 64 MiB / 2 / 16 MiB
  const third = enter("c");
  await vi.waitFor(() => expect(admission.waiting).toEqual({ fetch: 0, decode: 0, unpredictable: 1 }));
  expect(await admission.enterDecodeQueue("decode", mebibyte, limitsOf("c"), signal)).not.toBeNull();
  first![Symbol.dispose]();
  expect(await third).not.toBeNull();
  expect(second).not.toBeNull();
});

test("lookups are admitted while the decoders keep up", () => {
  const admission = createAdmission(defaults);
  for (let lookup = 0; lookup < 1000; lookup += 1) admission.admit();
});

test("bodies wait in the decode queue while the decoders have enough to do", async () => {
  const admission = createAdmission({ ...defaults, decoder: { expectedMs: 600 } });
  using permit = await admission.enterDecodeQueue("decode", mebibyte, limitsOf("a"), signal);
  expect(permit).not.toBeNull();
  const end = new AbortController();
  const next = admission.enterDecodeQueue("decode", mebibyte, limitsOf("b"), end.signal);
  expect(admission.waiting.decode).toBe(1);
  end.abort();
  expect(await next).toBeNull();
});
