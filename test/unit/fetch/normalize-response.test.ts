import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createResponseNormalizer } from "../../../src/fetch/normalize-response.ts";

const ok = "HTTP/1.1 200 OK\r\n";
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;

/** Normalizes a response that arrives in pieces of this size; the pieces are copies, since the normalizer changes them. */
function normalize(response: string, pieceBytes = Infinity) {
  const bytes = Buffer.from(response, "latin1");
  const normalizer = createResponseNormalizer();
  const written: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = Buffer.from(bytes.subarray(at, Math.min(bytes.length, at + pieceBytes)));
    for (const canonical of normalizer.push(piece)) written.push(Buffer.from(canonical));
  }
  return { text: Buffer.concat(written).toString("latin1"), pieces: written.length, refusal: normalizer.refusal };
}

/** Splits a canonical response in chunks; null if it is not canonical. */
function dataOf(text: string): string | null {
  let data = "";
  for (let rest = text.slice(text.indexOf("\r\n\r\n") + 4); rest !== "0\r\n\r\n";) {
    const [line = "", size = ""] = /^([0-9a-f]+)\r\n/.exec(rest) ?? [];
    const length = parseInt(size, 16);
    if (!(length > 0) || rest.slice(line.length + length, line.length + length + 2) !== "\r\n") return null;
    data += rest.slice(line.length, line.length + length);
    rest = rest.slice(line.length + length + 2);
  }
  return data;
}

describe("a head", () => {
  test.each<[name: string, response: string, canonical: string]>([
    ["no headers", `${ok}\r\nabc`, "HTTP/1.1 200 \r\n\r\nabc"],
    ["another version", "HTTP/1.0 404 Gone\r\n\r\n", "HTTP/1.1 404 \r\n\r\n"],
    ["blanks around a value", `${ok}A: \t b c \t\r\n\r\n`, "HTTP/1.1 200 \r\na: b c\r\n\r\n"],
    ["repeated headers", `${ok}A: b\r\nA: c\r\n\r\n`, "HTTP/1.1 200 \r\na: b\r\na: c\r\n\r\n"],
    ["bytes of UTF-8", `${ok}A: \xc3\xa0\xc2\x85\r\n\r\n`, "HTTP/1.1 200 \r\na: \xc3\xa0\xc2\x85\r\n\r\n"],
    ["control characters", `${ok}A: b\x01c\td\re\r\n\r\n`, "HTTP/1.1 200 \r\na: b c\td e\r\n\r\n"],
    ["a folded line", `${ok}A: b\r\n \t c\r\n\td\r\n\r\n`, "HTTP/1.1 200 \r\na: b c d\r\n\r\n"],
    ["a folded line behind a dropped one", `${ok}A b\r\n c\r\nD: e\r\n\r\n`, "HTTP/1.1 200 \r\nd: e\r\n\r\n"],
    ["headers of the connection", `${ok}Connection: A\r\nKeep-Alive: b\r\nTrailer: c\r\n\r\n`, "HTTP/1.1 200 \r\n\r\n"],
    ["a length", `${ok}Content-Length: 02, 2\r\n\r\nabc`, "HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nab"],
    ["interim responses", `HTTP/1.1 103 A\r\nA: b\r\n\r\n\r\n${ok}\r\n`, "HTTP/1.1 200 \r\n\r\n"],
    [
      "another transfer coding, without a body",
      `${ok}Transfer-Encoding: GZIP,, chunked\r\n\r\n1\r\na\r\n`,
      "HTTP/1.1 200 \r\ntransfer-encoding: gzip, chunked\r\n\r\n",
    ],
    [
      "chunks and a length",
      `${ok}Content-Length: 9\r\nTransfer-Encoding: Chunked, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n`,
      "HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ],
  ])("a head with %s is written in canonical form", (_name, response, canonical) => {
    expect(normalize(response)).toMatchObject({ text: canonical, refusal: null });
    expect(normalize(response, 1)).toMatchObject({ refusal: null });
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
    ["21 interim responses before it", "HTTP/1.1 100 A\r\n\r\n".repeat(21), "interim heads without end"],
    ["1001 lines", `${ok}${"A: b\r\n".repeat(1001)}\r\n`, "too many header lines"],
  ])("a head with %s is refused, in any pieces", (_name, response, refusal) => {
    expect(normalize(response)).toEqual({ text: "", pieces: 0, refusal });
    expect(normalize(response, 7)).toEqual({ text: "", pieces: 0, refusal });
  });
});

describe("chunks", () => {
  test("chunks of one piece become one chunk, without extensions, padding and trailers", () => {
    const { text } = normalize(`${chunked}1;a=b\r\na\r\n 02 \t\r\nbc\r\n3\nd\r\n\n0\nA: b\r\n\r\nmore`);
    expect(text).toBe("HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n6\r\nabcd\r\n\r\n0\r\n\r\n");
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
      const { text, refusal: found } = normalize(`${chunked}1\r\nx\r\n${chunks}`, pieceBytes);
      expect(found).toBe(refusal);
      expect(text).toMatch(/\r\n\r\n[12]\r\nxa?\r\n/);
      expect(text).not.toContain("0\r\n\r\n");
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
        const { text, refusal } = normalize(`${chunked}${wire}0\r\n\r\n`, pieceBytes);
        expect(refusal).toBeNull();
        expect(dataOf(text)).toBe(all.map(({ data }) => data).join(""));
      }),
    );
  });
});

test("any bytes are refused, or written in at most twice their length and 30 bytes for each piece", () => {
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
      const { text } = normalize(sent, pieceBytes);
      expect(text.length).toBeLessThanOrEqual(2 * sent.length + 30 * Math.ceil(sent.length / pieceBytes));
    }),
  );
});

test("the work for the worst responses is linear, in one piece and byte by byte", () => {
  const worst = [
    `${ok}${"A: b\r\n".repeat(10_000)}\r\n`,
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
      normalize(response, pieceBytes);
      // CPU time, since other load on the machine does not affect it. Quadratic work would take seconds.
      expect(process.cpuUsage(before).user / 1000).toBeLessThan(300);
    }
  }
});
