import sharp from "sharp";
import { expect, onTestFinished, test, vi } from "vitest";
import { noise } from "../../support/images.ts";
import { startOrigin } from "../../support/origin.ts";
import { type Answer, ask } from "../../support/replicas.ts";
import { startService } from "../../support/service.ts";

// At least 100 ms for a decoder, and larger than the part that is read before the decoder needs it.
const [width, height] = [3000, 2000];
const maxBursts = 20;
const picture = await sharp(noise(width, height, 1), { raw: { width, height, channels: 4 } })
  .jpeg()
  .toBuffer();

async function startPictures() {
  return startOrigin(onTestFinished, (_request, response) => {
    response.setHeader("Content-Length", picture.byteLength).end(picture);
  });
}

test("under overload some pictures are fully described, others by their head, and later all are again", async () => {
  // At most four lookups are on their way to the decoders, and at most a quarter of the queue waits behind them.
  const service = await startService({
    ALLOW_ADDRESSES: "127.0.0.0/8",
    ALLOW_PORTS: "1-65535",
    DECODERS: "1",
    FETCH_CONCURRENCY: "8",
    FETCH_BYTES: String(8 * picture.byteLength),
    QUEUE: "40",
  });
  onTestFinished(async () => void (await service.stop()));
  const origins = [await startPictures(), await startPictures()];
  const answers: Answer[] = [];
  const described = () => answers.filter(({ json }) => typeof json.blurhash === "string");
  const heads = () => answers.filter(({ json }) => (json.warnings as string[] | undefined)?.includes("decode_timeout"));
  // On a busy machine the service may reject all that it does not describe: then another burst follows.
  for (let burst = 0; burst < maxBursts && (described().length === 0 || heads().length === 0); burst += 1) {
    const urls = origins.flatMap((origin) => Array.from({ length: 14 }, (_, at) => origin.url(`/${burst}/${at}`)));
    answers.push(...(await Promise.all(urls.map((url) => ask(service, url)))));
  }
  expect(described().length).toBeGreaterThan(0);
  expect(heads().length).toBeGreaterThan(0);
  for (const { json } of heads()) expect(json).toMatchObject({ type: "image/jpeg", width, height, blurhash: null });
  await vi.waitFor(async () => {
    expect((await ask(service, origins[0]!.url(`/${String(performance.now())}`))).json.blurhash).toEqual(
      expect.any(String),
    );
  }, 20_000);
});
