import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createResponseReader } from "../../../src/fetch/read-response.ts";

const ok = "HTTP/1.1 200 OK\r\n";
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;

/** Reads a response that arrives in pieces of this size; the pieces are copies, since the reader changes them. */
function read(response: string, pieceBytes = Infinity) {
  const bytes = Buffer.from(response, "latin1");
  const reader = createResponseReader();
  let data = "";
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = Buffer.from(bytes.subarray(at, Math.min(bytes.length, at + pieceBytes)));
    data += reader.push(piece).toString("latin1");
  }
  const { head, isComplete, endsByClose, refusal } = reader;
  return { head, data, isComplete, endsByClose, refusal };
}

describe("a head", () => {
  test.each<[name: string, response: string, status: number, headers: Record<string, unknown>, data: string]>([
    ["no headers", `${ok}\r\nabc`, 200, {}, "abc"],
    ["another version", "HTTP/1.0 404 Gone\r\n\r\n", 404, {}, ""],
    ["blanks around a value", `${ok}A: \t b c \t\r\n\r\n`, 200, { a: "b c" }, ""],
    ["blanks behind a value", `${ok}A: b \r\nC: d\t\r\n\r\n`, 200, { a: "b", c: "d" }, ""],
    ["no blank before a value", `${ok}A:b\r\n\r\n`, 200, { a: "b" }, ""],
    ["a value of blanks only", `${ok}A: \t \r\n\r\n`, 200, { a: "" }, ""],
    ["repeated headers", `${ok}A: b\r\nA: c\r\na: d\r\n\r\n`, 200, { a: ["b", "c", "d"] }, ""],
    [
      "names of JavaScript",
      `${ok}__proto__: a\r\nConstructor: b\r\n\r\n`,
      200,
      { ["__proto__"]: "a", constructor: "b" },
      "",
    ],
    ["bytes of UTF-8", `${ok}A: \xc3\xa0\xc2\x85\r\n\r\n`, 200, { a: "\xc3\xa0\xc2\x85" }, ""],
    ["control characters", `${ok}A: b\x01c\td\re\r\n\r\n`, 200, { a: "b c\td e" }, ""],
    ["a folded line", `${ok}A: b\r\n \t c\r\n\td\r\n\r\n`, 200, { a: "b c d" }, ""],
    ["a folded line behind a dropped one", `${ok}A b\r\n c\r\nD: e\r\n\r\n`, 200, { d: "e" }, ""],
    ["headers of the connection", `${ok}Connection: A\r\nKeep-Alive: b\r\nTrailer: c\r\n\r\n`, 200, {}, ""],
    ["a length", `${ok}Content-Length: 02, 2\r\n\r\nabc`, 200, { "content-length": "2" }, "ab"],
    [
      "an interim response whose length is no number",
      `HTTP/1.1 103 A\r\nContent-Length: x\r\n\r\n${ok}\r\n`,
      200,
      {},
      "",
    ],
    ["interim responses", `HTTP/1.1 103 A\r\nA: b\r\n\r\n\r\n${ok}\r\n`, 200, {}, ""],
    [
      "another transfer coding, without a body",
      `${ok}Transfer-Encoding: GZIP,, chunked\r\n\r\n1\r\na\r\n`,
      200,
      { "transfer-encoding": "gzip, chunked" },
      "",
    ],
    [
      "chunks and a length",
      `${ok}Content-Length: 9\r\nTransfer-Encoding: Chunked, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n`,
      200,
      { "transfer-encoding": "chunked" },
      "a",
    ],
  ])("a head with %s is read, in any pieces", (_name, response, status, headers, data) => {
    for (const pieceBytes of [Infinity, 7, 1]) {
      const found = read(response, pieceBytes);
      expect(found).toMatchObject({ data, refusal: null });
      expect(found.head?.status).toBe(status);
      expect(Object.entries(found.head?.headers ?? {})).toEqual(Object.entries(headers));
    }
  });

  test.each<[name: string, response: string, isComplete: boolean, endsByClose: boolean]>([
    ["a length", `${ok}Content-Length: 2\r\n\r\nab`, true, false],
    ["too few bytes for its length", `${ok}Content-Length: 3\r\n\r\nab`, false, false],
    ["the length 0", `${ok}Content-Length: 0\r\n\r\n`, true, false],
    ["the last chunk", `${chunked}1\r\na\r\n0\r\n\r\n`, true, false],
    ["no last chunk", `${chunked}1\r\na\r\n0\r\n`, false, false],
    ["malformed chunks", `${chunked}1\r\nab`, false, false],
    ["neither a length nor chunks", `${ok}\r\nab`, false, true],
    ["another transfer coding", `${ok}Transfer-Encoding: gzip\r\n\r\nab`, false, false],
    ["an incomplete head", ok, false, false],
  ])("a response with %s has the end that its framing says", (_name, response, isComplete, endsByClose) => {
    expect(read(response)).toMatchObject({ isComplete, endsByClose });
    expect(read(response, 1)).toMatchObject({ isComplete, endsByClose });
  });

  test.each<[name: string, response: string, refusal: string]>([
    ["the first bytes of another protocol", "SSH", "another protocol"],
    ["no status", "HTTP/1.1 OK\r\n\r\n", "no status line"],
    ["a status below 100", "HTTP/1.1 099 A\r\n\r\n", "no status line"],
    ["status 101", "HTTP/1.1 101 A\r\n\r\n", "a switch to another protocol"],
    ["NUL", `${ok}A: \0\r\n\r\n`, "NUL in a head"],
    ["NUL in an interim response", "HTTP/1.1 103 \0\r\n\r\n", "NUL in a head"],
    ["a control character in Location", `${ok}Location: a\x7f\r\n\r\n`, "a control character in Location"],
    ["lengths that differ", `${ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, "lengths that differ"],
    ["a length in a list with an empty element", `${ok}Content-Length: 1,\r\n\r\n`, "a length that is no number"],
    ["an empty length", `${ok}Content-Length:\r\n\r\n`, "a length that is no number"],
    ["a length beyond 64 bits", `${ok}Content-Length: ${2n ** 64n}\r\n\r\n`, "a length beyond 64 bits"],
    ["64 KiB without an end", `${ok}${"a".repeat(65_536)}`, "heads of more than 64 KiB"],
    ["64 KiB of empty lines before it", "\r\n".repeat(40_000), "heads of more than 64 KiB"],
    ["a line end in its first word", `H\nTTP/1.1 200 OK\r\n\r\n`, "another protocol"],
    ["21 interim responses before it", `${"HTTP/1.1 100 A\r\n\r\n".repeat(21)}${ok}\r\n`, "interim heads without end"],
    ["1001 lines", `${ok}${"A: b\r\n".repeat(1001)}\r\n`, "too many header lines"],
  ])("a head with %s is refused, in any pieces", (_name, response, refusal) => {
    const refused = { head: null, data: "", isComplete: false, endsByClose: false, refusal };
    for (const pieceBytes of [Infinity, 7, 1]) expect(read(response, pieceBytes)).toEqual(refused);
  });
});

describe("the bounds of a head", () => {
  /** The heads of a response, of this many bytes together. */
  const headsOf = (bytes: number, start: string) =>
    `${start}${ok}A: ${"b".repeat(bytes - start.length - ok.length - 7)}\r\n\r\n`;

  test.each(["", "\r\n\n", "HTTP/1.1 103 A\r\nA: b\r\n\r\n"])(
    "all heads of a response with %j before the last one have at most 64 KiB",
    (start) => {
      for (const pieceBytes of [Infinity, 1000]) {
        expect(read(headsOf(65_536, start) + "body", pieceBytes)).toMatchObject({ data: "body", refusal: null });
        expect(read(headsOf(65_537, start), pieceBytes).refusal).toBe("heads of more than 64 KiB");
      }
    },
  );

  test("a head may have 1,000 lines, and 20 interim heads before it", () => {
    const response = `${"HTTP/1.1 100 A\r\n\r\n".repeat(20)}${ok}${"A: b\r\n".repeat(1000)}\r\n`;
    expect(read(response)).toMatchObject({ head: { status: 200 }, refusal: null });
  });

  test.each([
    ["HTTP/1.1 199 A\r\n\r\n", null],
    ["HTTP/1.1 200 A\r\n\r\n", 200],
    ["HTTP/1.1 999 A\r\n\r\n", 999],
  ])("%j is a head with the status %s", (response, status) => {
    expect(read(response).head?.status ?? null).toBe(status);
  });

  test("the longest declared length has 64 bits", () => {
    const { head, isComplete } = read(`${ok}Content-Length: ${2n ** 64n - 1n}\r\n\r\nabc`);
    expect(head?.headers["content-length"]).toBe("18446744073709551615");
    expect(isComplete).toBe(false);
  });

  test("bytes behind a body of the declared length are dropped, also if they arrive later", () => {
    for (const pieceBytes of [Infinity, 3, 1]) {
      expect(read(`${ok}Content-Length: 4\r\n\r\nabcdefgh`, pieceBytes)).toMatchObject({
        data: "abcd",
        isComplete: true,
        refusal: null,
      });
    }
  });
});

describe("chunks", () => {
  test.each("0123456789abcdefABCDEF".split(""))("%s is a digit of a chunk size", (digit) => {
    const size = parseInt(digit, 16) + 16;
    const { data, refusal } = read(`${chunked}1${digit}\r\n${"x".repeat(40)}`);
    expect([data.length, refusal]).toEqual([size, "malformed chunks"]); // more data than its size
  });

  test.each("/:@G`g".split(""))("%s is no digit of a chunk size", (character) => {
    expect(read(`${chunked}1${character}\r\n${"x".repeat(40)}`)).toMatchObject({
      data: "",
      refusal: "malformed chunks",
    });
  });

  test.each([
    ["the first chunk without a size", "\r\n"],
    ["the first chunk with an extension only", ";a\r\n"],
    ["a bare carriage return behind the data", "1\r\nx\ra\r\n"],
    ["a bare carriage return before a size", "\r1\r\nx\r\n"],
  ])("%s is malformed", (_name, chunks) => {
    for (const pieceBytes of [Infinity, 1]) {
      expect(read(chunked + chunks, pieceBytes)).toMatchObject({ isComplete: false, refusal: "malformed chunks" });
    }
  });

  test.each([
    ["", false],
    ["\r", false],
    ["\n", true],
    ["\r\n", true],
    ["A: b\r\n", false],
    ["A: b\r\n\r", false],
    ["A: b\r\n\r\n", true],
    ["A: b\n\n", true],
    ["\rA: b\r\n", false],
    ["\r\r\n", false],
    ["\rA: b\r\n\r\n", true],
  ])("a body in chunks is complete behind the trailers %j: %s", (trailers, isComplete) => {
    for (const pieceBytes of [Infinity, 1]) {
      const response = `${chunked}1\r\nx\r\n0\r\n${trailers}`;
      expect(read(response, pieceBytes)).toMatchObject({ data: "x", isComplete, refusal: null });
    }
  });

  test("the trailers of a body in chunks have at most 64 KiB", () => {
    const trailersOf = (bytes: number) => `${chunked}0\r\nA: ${"b".repeat(bytes - 7)}\r\n\r\n`;
    expect(read(trailersOf(65_536))).toMatchObject({ isComplete: true, refusal: null });
    expect(read(trailersOf(65_537)).refusal).toBe("trailers of more than 64 KiB");
  });

  test("chunks have at most 256 KiB and two bytes per byte of data that are no data", () => {
    const overheadBytes = 256 * 1024 + 2 * 10 - "a\r\n\r\n0;".length;
    for (const pieceBytes of [Infinity, 1000]) {
      const response = `${chunked}a\r\n0123456789\r\n0;${"a".repeat(overheadBytes)}`;
      expect(read(response, pieceBytes).refusal).toBeNull();
      expect(read(`${response}a`, pieceBytes).refusal).toBe("more chunk overhead than data");
    }
  });

  test("chunks are read without extensions, padding, trailers and what follows", () => {
    const response = `${chunked}1;a=b\r\na\r\n 02 \t\r\nbc\r\n3\nd\r\n\n0\nA: b\r\n\r\nmore`;
    expect(read(response)).toMatchObject({ data: "abcd\r\n", isComplete: true, refusal: null });
  });

  test.each([
    ["no size", "\r\n", "malformed chunks"],
    ["a size with a sign", "-1\r\n", "malformed chunks"],
    ["a size in two parts", "1 1\r\n", "malformed chunks"],
    ["a bare carriage return behind the size", "1\ra\r\n", "malformed chunks"],
    ["a size beyond 64 bits", `1${"0".repeat(16)}`, "malformed chunks"],
    ["more data than its size", "1\r\nabc\r\n", "malformed chunks"],
    ["an endless extension", `1;${"a".repeat(300_000)}`, "more chunk overhead than data"],
    ["endless zeros", "0".repeat(300_000), "more chunk overhead than data"],
    ["endless trailers", `0\r\n${"A: b\r\n".repeat(20_000)}`, "trailers of more than 64 KiB"],
  ])("a body in chunks with %s is cut, in any pieces", (_name, chunks, refusal) => {
    for (const pieceBytes of [Infinity, 1000, 1]) {
      const { data, isComplete, refusal: found } = read(`${chunked}1\r\nx\r\n${chunks}`, pieceBytes);
      expect(found).toBe(refusal);
      expect(data).toMatch(/^xa?$/);
      expect(isComplete).toBe(false);
    }
  });

  test("the data of chunks is the same for all sizes of chunks and pieces", () => {
    const chunk = fc.record({
      data: fc.string({ minLength: 1, maxLength: 40 }),
      end: fc.constantFrom("\r\n", "\n", " ;a\r\n"),
    });
    fc.assert(
      fc.property(fc.array(chunk), fc.integer({ min: 1, max: 50 }), (all, pieceBytes) => {
        const wire = all.map(({ data, end }) => `${data.length.toString(16)}${end}${data}\r\n`).join("");
        const data = all.map((each) => each.data).join("");
        const expected = { data, isComplete: true, refusal: null };
        expect(read(`${chunked}${wire}0\r\n\r\n`, pieceBytes)).toMatchObject(expected);
      }),
    );
  });
});

test("any bytes are refused, or read the same in any pieces, with no more data than bytes", () => {
  const lines = fc.constantFrom(
    ok,
    "\r\n",
    "\n",
    "HTTP/1.1 100 A\r\n\r\n",
    "Transfer-Encoding: chunked\r\n",
    "1\r\na\r\n",
    "\0",
  );
  const response = fc.array(fc.oneof(lines, fc.string({ unit: "binary", maxLength: 20 })), { maxLength: 30 });
  fc.assert(
    fc.property(response, fc.integer({ min: 1, max: 100 }), (parts, pieceBytes) => {
      const sent = ok + Buffer.from(parts.join(""), "latin1").toString("latin1");
      const whole = read(sent);
      expect(read(sent, pieceBytes)).toEqual(whole);
      expect(whole.data.length).toBeLessThan(sent.length);
    }),
  );
});

test("the work for the worst responses is linear, in one piece and byte by byte", () => {
  const worst = [
    `${ok}${"A: b\r\n".repeat(10_000)}\r\n`,
    `${ok}${"A: b\r\n".repeat(1000)}\r\n`, // as many as are read
    `${ok}${"a\n".repeat(32_000)}\r\n`,
    `${ok}A: b\r\n${" c\r\n".repeat(16_000)}\r\n`,
    `${ok}A: b${" ".repeat(65_000)}c\r\n\r\n`,
    `${ok}Content-Length: ${"1,".repeat(32_000)}1\r\n\r\n`,
    `${ok}Content-Length: ${"1".repeat(65_000)}\r\n\r\n`,
    `${ok}Transfer-Encoding: ${"a,".repeat(32_000)}\r\n\r\n`,
    "\r\n".repeat(32_000),
    `${chunked}${"1\r\na\r\n".repeat(10_000)}`,
    `${chunked}0\r\n${"a\n".repeat(32_000)}`,
  ];
  for (const response of worst) {
    for (const pieceBytes of [Infinity, 1]) {
      const before = process.cpuUsage();
      read(response, pieceBytes);
      // CPU time, since other load on the machine does not affect it. Quadratic work would take seconds.
      expect(process.cpuUsage(before).user / 1000).toBeLessThan(300);
    }
  }
});
