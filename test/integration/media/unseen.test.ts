import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Decoder } from "../../../src/media/decode/decoder.ts";
import { createCachedService } from "../../support/cached-service.ts";
import { startDecoder } from "../../support/decoder.ts";
import { startSpeakingOrigin } from "../../support/origin.ts";

let decoder: Decoder;
const ends: (() => Promise<void>)[] = [];

beforeAll(async () => {
  decoder = await startDecoder((end) => ends.push(end));
});

afterAll(async () => {
  for (const end of ends) await end();
});

/** The head of a response with a picture, whose body the test sends, or does not. */
const headWith = (...lines: string[]) => ["HTTP/1.1 200 OK", "Content-Type: image/jpeg", ...lines, "", ""].join("\r\n");

const hundred = "Content-Length: 100";

describe("a body of which no byte was seen", () => {
  test.for([
    ["in a coding that is not decoded", `${headWith(hundred, "Content-Encoding: zstd")}abc`, "body_encoded"],
    ["that ends before its first byte", headWith(hundred), "body_truncated", "end"],
    ["that is reset before its first byte", headWith(hundred), "body_truncated", "resetAndDestroy"],
    ["whose first chunk never comes", headWith("Transfer-Encoding: chunked"), "body_truncated", "end"],
    ["that stalls before its first byte", headWith(hundred), "body_timeout"],
  ] as const)(
    "a body %s has its declared type, without type_mismatch",
    async ([, head, warning, ending], { onTestFinished }) => {
      const origin = await startSpeakingOrigin(onTestFinished, (socket) => {
        socket.write(head, () => ending && setTimeout(() => socket[ending](), 50));
      });
      // Only the body that stalls waits for it.
      const { ask } = createCachedService(decoder, { fetchTimeoutMs: 2000 });
      const { type, warnings } = await ask(origin.url("/a.jpg")).done;
      expect({ type, warnings }).toEqual({ type: "image/jpeg", warnings: [warning] });
    },
  );

  test("an answer at a deadline and the final one have the same type", async ({ onTestFinished }) => {
    const origin = await startSpeakingOrigin(onTestFinished, headWith(hundred));
    const { ask } = createCachedService(decoder, { fetchTimeoutMs: 2000 });
    const description = ask(origin.url("/a.jpg"));
    await vi.waitFor(() => expect(description.known?.type).toBe("image/jpeg"), 60_000);
    expect((await description.done).type).toBe("image/jpeg");
  });

  test.for(["application/octet-stream", "binary/octet-stream", "nonsense", "image/*"])(
    "a declared type of %s says nothing: the type is application/octet-stream",
    async (declared, { onTestFinished }) => {
      const head = headWith(hundred).replace("image/jpeg", declared);
      const origin = await startSpeakingOrigin(onTestFinished, (socket) => void socket.end(head));
      const { type, warnings } = await createCachedService(decoder).ask(origin.url("/a")).done;
      expect({ type, warnings }).toEqual({ type: "application/octet-stream", warnings: ["body_truncated"] });
    },
  );
});

test("a picture that is complete and empty has type_mismatch: its bytes have been seen", async ({ onTestFinished }) => {
  const origin = await startSpeakingOrigin(onTestFinished, headWith("Content-Length: 0"));
  const { type, bytes, warnings } = await createCachedService(decoder).ask(origin.url("/a.jpg")).done;
  expect({ type, bytes, warnings }).toEqual({
    type: "application/octet-stream",
    bytes: 0,
    warnings: ["type_mismatch"],
  });
});

test("a body that is cut after bytes that are no picture has type_mismatch", async ({ onTestFinished }) => {
  const origin = await startSpeakingOrigin(onTestFinished, (socket) => void socket.end(`${headWith(hundred)}<html>`));
  const { type, warnings } = await createCachedService(decoder).ask(origin.url("/a.jpg")).done;
  expect({ type, warnings }).toEqual({ type: "text/html", warnings: ["type_mismatch", "body_truncated"] });
});
