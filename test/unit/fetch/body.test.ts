import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createIncomingBody, type IncomingBody, type IncomingBodyOptions } from "../../../src/fetch/body.ts";
import type { ByteBudget } from "../../../src/domain/byte-budget.ts";
import { createByteBudget } from "../../../src/load/byte-budget.ts";
import { unmeasured } from "../../support/fetch.ts";

const meter = unmeasured(new AbortController().signal);

function bodyWith({
  budget = createByteBudget(1_000_000),
  ...options
}: Partial<IncomingBodyOptions> & { budget?: ByteBudget } = {}) {
  const lender = budget.lenderTo(null);
  return {
    budget,
    body: createIncomingBody({ lender, meter, maxBytes: 100_000, headBytes: 10, declaredBytes: null, ...options }),
  };
}

/** Counts the waits for the origin that are not over, and the received bytes. */
function createMeter() {
  const counted = { waits: 0, receivedBytes: 0 };
  function wait() {
    let isOver = false;
    counted.waits += 1;
    return () => {
      if (!isOver) counted.waits -= 1;
      isOver = true;
    };
  }
  const received = (bytes: number) => void (counted.receivedBytes += bytes);
  return { counted, meter: { wait, received } };
}

const bytesOf = (length: number) => Uint8Array.from({ length }, (_, index) => index % 251);
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

describe("a body that is read to its end", () => {
  test.each([0, 1, 4096, 4097, 65_536, 99_999, 100_000])(
    "a body that is read to its end has all its %i bytes and their hash",
    async (length) => {
      const { body } = bodyWith();
      const bytes = bytesOf(length);
      for (let at = 0; at < length; at += 1000) expect(body.write(bytes.subarray(at, at + 1000))).toBe(true);
      body.end("complete");
      expect(await body.body()).toEqual({ bytes, sha256: sha256(bytes), warning: null });
    },
  );

  test("a body in chunks of one byte has the same bytes and hash", async () => {
    const { body } = bodyWith();
    const bytes = bytesOf(70_000);
    for (const byte of bytes) body.write(Uint8Array.of(byte));
    body.end("complete");
    expect(await body.body()).toEqual({ bytes, sha256: sha256(bytes), warning: null });
  });

  test("a body does not change if a chunk is overwritten after write()", async () => {
    const { body } = bodyWith();
    const chunk = Uint8Array.of(1, 2, 3);
    body.write(chunk);
    chunk.fill(9);
    body.end("complete");
    expect((await body.body()).bytes).toEqual(Uint8Array.of(1, 2, 3));
  });
});

describe("arrived()", () => {
  test("arrived() resolves as soon as the requested number of bytes has arrived", async () => {
    const { body } = bodyWith();
    const four = body.arrived(4);
    const two = body.arrived(2);
    body.write(Uint8Array.of(1, 2, 3));
    expect(await two).toEqual(Uint8Array.of(1, 2, 3));
    body.write(Uint8Array.of(4, 5));
    expect(await four).toEqual(Uint8Array.of(1, 2, 3, 4, 5));
  });

  test("arrived() resolves with exactly the requested bytes, whether they arrive before or after the call", async () => {
    const { body } = bodyWith();
    const four = body.arrived(4);
    body.write(bytesOf(4));
    expect(await four).toEqual(bytesOf(4));
    expect(await body.arrived(4)).toEqual(bytesOf(4));
  });

  test.each(["complete", "truncated", "timeout"] as const)(
    "arrived() resolves with fewer bytes if the body ends before: %s",
    async (how) => {
      const { body } = bodyWith();
      const four = body.arrived(4);
      body.write(Uint8Array.of(1));
      body.end(how);
      expect(await four).toEqual(Uint8Array.of(1));
      expect(await body.arrived(4)).toEqual(Uint8Array.of(1));
    },
  );

  test("arrived() returns all bytes although the buffer was replaced by larger ones", async () => {
    const { body } = bodyWith();
    const one = body.arrived(1);
    for (let at = 0; at < 50_000; at += 1000) body.write(bytesOf(50_000).subarray(at, at + 1000));
    expect(await one).toEqual(bytesOf(50_000));
  });
});

describe("a body that is stopped", () => {
  test("a stopped body has the bytes so far, no hash and no warning, and refuses further chunks", async () => {
    const { body } = bodyWith();
    const more = body.arrived(100);
    body.write(bytesOf(7));
    body.stop();
    expect(body.write(bytesOf(1))).toBe(false);
    body.end("complete");
    expect(await more).toEqual(bytesOf(7));
    expect(await body.body()).toEqual({ bytes: bytesOf(7), sha256: null, warning: null });
  });

  test("a body that is stopped after its end is whole", async () => {
    const { body } = bodyWith();
    body.write(bytesOf(7));
    body.end("complete");
    body.stop();
    expect(await body.body()).toEqual({ bytes: bytesOf(7), sha256: sha256(bytesOf(7)), warning: null });
  });

  test("the outcome of a body does not change after its end", async () => {
    const { body } = bodyWith({ declaredBytes: 100_001 });
    expect(body.outcome).toBeNull();
    body.write(bytesOf(7));
    body.end("timeout");
    const ended = { bytes: bytesOf(7), sha256: null, warning: "body_timeout" };
    expect(body.outcome).toEqual(ended);
    body.end("truncated");
    body.stop();
    body.refuse("overloaded");
    expect(await body.body()).toEqual(ended);
    expect(await body.arrived(1)).toEqual(bytesOf(7));
    expect(body.outcome).toEqual(ended);
    body.release();
    expect(body.outcome?.warning).toBe("body_timeout");
  });

  test("a part of a file that arrives completely is a truncated body", async () => {
    const { body } = bodyWith({ isPart: true });
    body.write(bytesOf(7));
    body.end("complete");
    expect(await body.body()).toEqual({ bytes: bytesOf(7), sha256: null, warning: "body_truncated" });
  });

  test("the bytes of an earlier response are the beginning of the body, and count for its hash and its limit", async () => {
    for (const [maxBytes, warning] of [
      [3000, null],
      [2999, "body_too_large"],
    ] as const) {
      const { body } = bodyWith({ beginning: bytesOf(2000), maxBytes });
      expect(body.received).toEqual(bytesOf(2000));
      body.write(bytesOf(3000).subarray(2000));
      body.end("complete");
      expect(await body.body()).toMatchObject({ sha256: warning ? null : sha256(bytesOf(3000)), warning });
    }
  });
});

describe("backpressure", () => {
  test("a body has enough with its head, then with the most bytes that were requested, and never after its end", () => {
    const { body } = bodyWith({ headBytes: 10 });
    body.write(bytesOf(9));
    expect(body.hasEnough).toBe(false);
    body.write(bytesOf(1));
    expect(body.hasEnough).toBe(true);
    void body.arrived(20);
    void body.arrived(15);
    body.write(bytesOf(9));
    expect(body.hasEnough).toBe(false);
    body.write(bytesOf(1));
    expect(body.hasEnough).toBe(true);
    void body.body();
    expect(body.hasEnough).toBe(false);
    body.end("complete");
    expect(body.hasEnough).toBe(false);
  });

  test("the meter counts all received bytes, and the wait for the origin without the time of backpressure", () => {
    const { counted, meter } = createMeter();
    const { body } = bodyWith({ meter, headBytes: 10 });
    expect(counted.waits).toBe(1);
    body.write(bytesOf(9));
    expect(counted.waits).toBe(1);
    body.write(bytesOf(3));
    expect(counted.waits).toBe(0);
    void body.arrived(13);
    expect(counted.waits).toBe(1);
    body.write(bytesOf(1));
    expect(counted.waits).toBe(0);
    void body.body();
    expect(counted).toEqual({ waits: 1, receivedBytes: 13 });
  });

  test.each<[how: string, end: (body: IncomingBody) => void]>([
    ["end()", (body) => body.end("complete")],
    ["stop()", (body) => body.stop()],
    ["release()", (body) => body.release()],
    ["refuse()", (body) => body.refuse("overloaded")],
    ["its limit", (body) => void body.write(bytesOf(21))],
  ])("the wait for the origin is over when a body is ended by %s", (_how, end) => {
    const { counted, meter } = createMeter();
    const { body } = bodyWith({ meter, maxBytes: 20 });
    void body.body().catch(() => undefined);
    end(body);
    expect(counted.waits).toBe(0);
  });
});

describe("the limit", () => {
  test("a body of exactly maxBytes is whole", async () => {
    const { body } = bodyWith({ maxBytes: 20 });
    expect(body.write(bytesOf(20))).toBe(true);
    body.end("complete");
    expect((await body.body()).warning).toBeNull();
  });

  test("only the head of a body of maxBytes + 1 is kept, and the rest goes back to the byte budget", async () => {
    const { body, budget } = bodyWith({ maxBytes: 50_000, budget: createByteBudget(100_000) });
    expect(body.write(bytesOf(50_000))).toBe(true);
    expect(body.write(bytesOf(1))).toBe(false);
    expect(await body.body()).toEqual({ bytes: bytesOf(10), sha256: null, warning: "body_too_large" });
    expect(budget.used).toBe(4096);
  });

  test("only the head is kept of a body that its decoder has ended as too large", async () => {
    const { body, budget } = bodyWith();
    body.write(bytesOf(50_000));
    body.end("too_large");
    expect(await body.body()).toEqual({ bytes: bytesOf(10), sha256: null, warning: "body_too_large" });
    expect(budget.used).toBe(4096);
  });

  test("only the head is read if Content-Length exceeds maxBytes", async () => {
    const { body, budget } = bodyWith({ declaredBytes: 100_001 });
    const whole = body.body();
    expect(body.write(bytesOf(9))).toBe(true);
    expect(body.write(bytesOf(1000))).toBe(false);
    expect((await whole).warning).toBe("body_too_large");
    expect((await whole).bytes).toHaveLength(10);
    expect(budget.used).toBe(4096);
  });

  test("a body with a too large Content-Length arrives as far as it is requested", async () => {
    const { body } = bodyWith({ declaredBytes: 100_001 });
    const arrived = body.arrived(5000);
    expect(body.write(bytesOf(5000))).toBe(true);
    expect(await arrived).toHaveLength(5000);
    expect(await body.body()).toMatchObject({ warning: "body_too_large", bytes: bytesOf(5000) });
  });

  test("a body with a Content-Length of maxBytes is whole", async () => {
    const { body } = bodyWith({ maxBytes: 20, declaredBytes: 20 });
    body.write(bytesOf(20));
    body.end("complete");
    expect((await body.body()).warning).toBeNull();
  });

  test("a body with a too large Content-Length ends with all requested bytes, of which there are at most maxBytes", async () => {
    const { body } = bodyWith({ maxBytes: 5000, declaredBytes: 5001 });
    const arrived = body.arrived(6000);
    expect(body.write(bytesOf(4999))).toBe(true);
    expect(body.write(bytesOf(2))).toBe(false);
    expect(await arrived).toHaveLength(5000);
    expect(body.outcome).toMatchObject({ warning: "body_too_large" });
    expect(body.outcome?.bytes).toHaveLength(5000);
  });

  test("a body with a too large Content-Length and an incomplete head has the warning of its end", async () => {
    const { body } = bodyWith({ declaredBytes: 100_001 });
    body.write(bytesOf(9));
    body.end("timeout");
    expect(await body.body()).toEqual({ bytes: bytesOf(9), sha256: null, warning: "body_timeout" });
  });

  test("a body refuses chunks after its end", async () => {
    const { body } = bodyWith({ maxBytes: 20 });
    body.write(bytesOf(21));
    expect(body.write(bytesOf(1))).toBe(false);
    body.end("complete");
    expect((await body.body()).warning).toBe("body_too_large");
  });
});

describe("the budget", () => {
  test("the byte budget counts received bytes, not Content-Length", () => {
    const { body, budget } = bodyWith({ declaredBytes: 90_000 });
    expect(budget.used).toBe(0);
    body.write(bytesOf(1));
    expect(budget.used).toBe(4096);
    body.write(bytesOf(4096));
    expect(budget.used).toBe(8192);
  });

  test("the byte budget counts only the head of a body that turned out too large", async () => {
    const { body, budget } = bodyWith();
    for (let sent = 0; sent <= 100_000; sent += 10_000) body.write(bytesOf(10_000));
    expect((await body.body()).warning).toBe("body_too_large");
    expect(budget.used).toBe(4096);
  });

  test("the byte budget reuses memory, and the next body contains no bytes of the last one", async () => {
    const budget = createByteBudget(100_000);
    const first = bodyWith({ budget }).body;
    first.write(bytesOf(5000));
    first.end("complete");
    const { buffer } = (await first.body()).bytes;
    first.release();
    const second = bodyWith({ budget }).body;
    second.write(Uint8Array.of(1, 2, 3));
    second.write(bytesOf(5000).fill(4));
    second.end("truncated");
    const { bytes } = await second.body();
    expect(bytes.buffer).toBe(buffer);
    expect(bytes).toHaveLength(5003);
    expect([...bytes.subarray(0, 5)]).toEqual([1, 2, 3, 4, 4]);
  });

  test("a body beyond the byte budget fails as overloaded for all its callers, and frees its memory", async () => {
    const { body, budget } = bodyWith({ budget: createByteBudget(10_000) });
    const head = body.arrived(50_000);
    const whole = body.body();
    expect(body.write(bytesOf(8000))).toBe(true);
    expect(body.write(bytesOf(8000))).toBe(false);
    await expect(head).rejects.toMatchObject({ code: "overloaded" });
    await expect(whole).rejects.toMatchObject({ code: "overloaded" });
    await expect(body.arrived(1)).rejects.toMatchObject({ code: "overloaded" });
    expect(budget.used).toBe(0);
  });

  test("other bodies continue if one exceeds the byte budget", async () => {
    const budget = createByteBudget(10_000);
    const first = bodyWith({ budget }).body;
    const second = bodyWith({ budget }).body;
    first.write(bytesOf(8000));
    expect(second.write(bytesOf(3000))).toBe(false);
    first.end("complete");
    expect((await first.body()).bytes).toHaveLength(8000);
  });

  test("the byte budget gets all memory back once when a body is released", () => {
    const { body, budget } = bodyWith();
    body.write(bytesOf(50_000));
    body.end("complete");
    body.release();
    body.release();
    expect(budget.used).toBe(0);
  });

  test("pending calls resolve without bytes when a body is released", async () => {
    const { body } = bodyWith();
    const head = body.arrived(10);
    const whole = body.body();
    body.write(bytesOf(5));
    body.release();
    expect(await head).toHaveLength(0);
    expect((await whole).warning).toBe("body_timeout");
  });
});
