import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, expect, test } from "vitest";
import { type Shape, startShapedOrigin } from "../../../bench/support/shaped-origin.ts";

const body = Buffer.from(Array.from({ length: 50_000 }, (_, index) => index % 251));
const fast: Shape = { roundTripMs: 0, bytesPerSecond: 10_000_000 };

async function startOrigin(shape = fast) {
  const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "file");
  writeFileSync(path, body);
  const origin = await startShapedOrigin([{ path, type: "image/gif" }], shape);
  onTestFinished(() => origin.stop());
  const url = `http://127.0.0.1:${origin.ports[0]}/file`;
  return { origin, get: (headers: Record<string, string> = {}) => fetch(url, { headers }) };
}

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

test("the origin of the network benchmark sends a whole file with its length, type and validators", async () => {
  const { get } = await startOrigin();
  const response = await get();
  expect(response.status).toBe(200);
  expect(response.headers.get("content-length")).toBe("50000");
  expect(response.headers.get("content-type")).toBe("image/gif");
  expect(response.headers.get("etag")).toMatch(/^"[^"]+"$/);
  expect(await bytesOf(response)).toEqual(body);
});

test.each([
  ["bytes=100-199", "bytes 100-199/50000", body.subarray(100, 200)],
  ["bytes=0-", "bytes 0-49999/50000", body],
  ["bytes=49000-", "bytes 49000-49999/50000", body.subarray(49_000)],
  ["bytes=49000-99999", "bytes 49000-49999/50000", body.subarray(49_000)],
  ["bytes=-10", "bytes 49990-49999/50000", body.subarray(-10)],
  ["bytes=-99999", "bytes 0-49999/50000", body],
])("the origin of the network benchmark answers the range %s with that part", async (range, contentRange, part) => {
  const { get } = await startOrigin();
  const response = await get({ range });
  expect(response.status).toBe(206);
  expect(response.headers.get("content-range")).toBe(contentRange);
  expect(await bytesOf(response)).toEqual(part);
});

test.each(["bytes=50000-", "bytes=-0"])(
  "the origin of the network benchmark refuses the range %s, which has no byte of the file",
  async (range) => {
    const { get } = await startOrigin();
    const response = await get({ range });
    expect(response.status).toBe(416);
    expect(response.headers.get("content-range")).toBe("bytes */50000");
  },
);

test.each(["bytes=9-3", "bytes=0-1,5-6", "pages=1-2", "bytes=-"])(
  "the origin of the network benchmark ignores the Range header %s",
  async (range) => {
    const { get } = await startOrigin();
    const response = await get({ range });
    expect(response.status).toBe(200);
    expect(await bytesOf(response)).toEqual(body);
  },
);

test.each(["etag", "last-modified"])(
  "the origin of the network benchmark sends a part if If-Range has its current %s",
  async (validator) => {
    const { get } = await startOrigin();
    const { headers } = await get({ range: "bytes=0-0" });
    const response = await get({ range: "bytes=1-2", "if-range": headers.get(validator)! });
    expect(response.status).toBe(206);
  },
);

test("the origin of the network benchmark sends the whole file if If-Range has another validator", async () => {
  const { get } = await startOrigin();
  const response = await get({ range: "bytes=1-2", "if-range": '"other"' });
  expect(response.status).toBe(200);
  expect(await bytesOf(response)).toEqual(body);
});

test("the origin of the network benchmark counts the bytes of all requests of a path", async () => {
  const { origin, get } = await startOrigin();
  for (const range of ["bytes=0-99", "bytes=-50"]) await bytesOf(await get({ range }));
  expect(await origin.counts()).toEqual({ "/file": { requests: 2, bytes: 150 } });
});

test("the origin of the network benchmark does not count bytes that a closed connection never got", async () => {
  const { origin, get } = await startOrigin({ roundTripMs: 0, bytesPerSecond: 50_000 });
  await (await get()).body!.cancel();
  expect((await origin.counts())["/file"]!.bytes).toBeLessThan(body.byteLength);
});

test("the origin of the network benchmark is never faster than its round trips and its bandwidth", async () => {
  const { get } = await startOrigin({ roundTripMs: 50, bytesPerSecond: 500_000 });
  const began = performance.now();
  const response = await get();
  const headMs = performance.now() - began;
  await bytesOf(response);
  // Node's timers may fire up to a millisecond early.
  expect(headMs).toBeGreaterThan(2 * 50 - 2);
  expect(performance.now() - began).toBeGreaterThan(2 * 50 + 100 - 2);
});
