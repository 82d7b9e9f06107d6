import { decode } from "blurhash";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CorpusRow, corpusBytes, corpusRows, hasCorpus } from "../../support/corpus.ts";
import { startOrigin } from "../../support/origin.ts";
import { requires } from "../../support/require.ts";
import { type Service, startService } from "../../support/service.ts";

interface Reply {
  readonly bytes: number;
  readonly type: string;
  readonly width: number | null;
  readonly height: number | null;
  readonly blurhash: string | null;
  readonly warnings: readonly string[];
}

const rows = corpusRows().filter(({ kind }) => ["image", "video", "audio", "document"].includes(kind));
const decodedTypes = new Set(["jpeg", "png", "apng", "webp", "gif", "avif"].map((name) => `image/${name}`));

// libvips cannot open these although their format is on; what is told of them without pixels is checked all the same.
const notOpened = /animated.*\.avifs?$|\.avifs$/;

/** How far two hashes are apart to the eye: mean absolute error over 32 x 32 pixels, 0 to 255. */
function hashError(ours: string, truth: string): number {
  const [a, b] = [decode(ours, 32, 32), decode(truth, 32, 32)];
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) if (index % 4 !== 3) sum += Math.abs(a[index]! - b[index]!);
  return sum / (32 * 32 * 3);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

describe.skipIf(requires("the corpus of real media", hasCorpus))("over real media", () => {
  const replies = new Map<CorpusRow, Reply>();
  const finished: (() => unknown)[] = [];
  let service: Service;

  beforeAll(async () => {
    const origin = await startOrigin(
      (callback: () => unknown) => void finished.push(callback),
      (request, response) => {
        const row = rows[Number(new URL(request.url!, "http://origin").pathname.slice(1))]!;
        response.end(corpusBytes(row)); // no Content-Type: the bytes alone must tell
      },
    );
    service = await startService({ ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535" });
    for (const [index, row] of rows.entries()) {
      const reply = await fetch(`${service.url}/metadata?url=${encodeURIComponent(origin.url(`/${index}`))}`);
      expect(reply.status, row.file).toBe(200);
      replies.set(row, (await reply.json()) as Reply);
    }
  }, 240_000);

  afterAll(async () => {
    await service.stop();
    for (const callback of finished) await callback();
  });

  test("the type is right for every file", () => {
    const wrong = [...replies]
      .filter(([row, { type }]) => ![row.type, ...(row.acceptableTypes ?? [])].includes(type))
      .map(([row, { type }]) => `${row.file}: ${type} instead of ${row.type}`);
    expect(wrong).toEqual([]);
  });

  test("the bytes are counted right for every file", () => {
    expect([...replies].filter(([row, { bytes }]) => bytes !== row.bytes).map(([row]) => row.file)).toEqual([]);
  });

  test("the dimensions are as displayed for every picture that is decoded", () => {
    const wrong = [...replies]
      .filter(([row]) => decodedTypes.has(row.type) && !notOpened.test(row.file))
      .filter(([row, { width, height }]) => width !== row.displayWidth || height !== row.displayHeight)
      .map(([row, reply]) => `${row.file}: ${reply.width} x ${reply.height}, ${reply.warnings.join()}`);
    expect(wrong).toEqual([]);
  });

  test("the blurhash is close to the one of the full resolution", () => {
    const compared = [...replies]
      .filter(([row, { blurhash }]) => row.blurhashFull43 && blurhash)
      .map(([row, { type, blurhash }]) => ({ row, type, error: hashError(blurhash!, row.blurhashFull43!) }));
    const table = ["all", ...new Set(compared.map(({ type }) => type))].map((type) => {
      const errors = compared
        .filter((one) => !one.row.blurhashUncertain && (type === "all" || one.type === type))
        .map(({ error }) => error)
        .sort((a, b) => a - b);
      const [median, p95, worst] = [0.5, 0.95, 1].map((share) => quantile(errors, share));
      return { type, files: errors.length, median, p95, worst };
    });
    console.table(
      table.map(({ type, files, ...errors }) => ({
        type,
        files,
        ...Object.fromEntries(Object.entries(errors).map(([name, error]) => [name, error?.toFixed(1)])),
      })),
    );
    const [all] = table;
    expect(all!.files).toBeGreaterThan(90);
    expect(all!.median).toBeLessThanOrEqual(3.5);
    expect(all!.worst).toBeLessThanOrEqual(20);
  });
});
