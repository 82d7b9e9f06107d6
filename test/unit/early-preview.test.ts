import { expect, test } from "vitest";
import { type Description, type Progress, startDescription } from "../../src/domain/description.ts";
import { createEarlyPreviews } from "../../src/early-preview.ts";
import type { Picture } from "../../src/media/decode/decoder.ts";
import { unknownPicture } from "../../src/media/decode/picture.ts";
import { type Format, formats } from "../../src/media/formats/index.ts";
import type { Excerpt } from "../../src/media/formats/plan.ts";
import { rgbaToBlurhash } from "../../src/media/worker/blurhash.ts";
import { plain } from "../support/images.ts";

const formatNamed = (name: string): Format => formats.find((format) => format.name === name)!;
const [jpeg, mp4] = [formatNamed("jpeg"), formatNamed("mp4")];

const hashOf = (level: number) => rgbaToBlurhash(8, 8, plain(8, 8, [level, level, level, 255]), { x: 4, y: 3 });
const [bright, black] = [hashOf(200), hashOf(0)];

const excerptOf = (accuracy: Excerpt["accuracy"], format?: string): Excerpt => ({
  bytes: Uint8Array.of(1, 2, 3),
  accuracy,
  ...(format !== undefined && { format }),
});

const pictureOf = (blurhash: string | null): Picture => ({
  ...unknownPicture,
  blurhash,
  thumbhash: blurhash && "AAAA",
});

interface Decode {
  readonly bytes: Uint8Array;
  readonly format: string;
  readonly signal: AbortSignal | undefined;
  /** Ends it with a preview, or with none. */
  readonly finish: (blurhash: string | null) => Promise<void>;
}

/** Creates the early previews of a lookup whose decoder is the test. */
function create() {
  const decodes: Decode[] = [];
  let progress!: Progress;
  const description: Description = startDescription((own) => {
    progress = own;
    own.learn({});
    return new Promise(() => undefined);
  });
  const previews = createEarlyPreviews({
    progress,
    decoder: {
      describe: (bytes, { name }, signal) =>
        new Promise((resolve) => {
          const finish = async (blurhash: string | null) => {
            resolve(pictureOf(blurhash));
            await settled();
          };
          decodes.push({ bytes, format: name, signal, finish });
        }),
    },
  });
  /** What callers see at their deadline, and for good. */
  const blurhashes = () => [description.known?.blurhash, progress.learn({}).blurhash];
  return { previews, decodes, blurhashes };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

test("an exact excerpt is decoded while the rest arrives, and its preview is final", async () => {
  const { previews, decodes, blurhashes } = create();
  previews.decodeBeside(excerptOf("exact"), jpeg);
  expect(decodes).toMatchObject([{ format: "jpeg", signal: undefined }]);
  expect([previews.isPublished, blurhashes()]).toEqual([false, [null, null]]);
  await decodes[0]!.finish(bright);
  expect([previews.isPublished, blurhashes()]).toEqual([true, [bright, bright]]);
  previews.decodeBeside(excerptOf("close"), jpeg);
  expect(decodes).toHaveLength(1);
});

test("a provisional preview is shown until a better one is known", async () => {
  const { previews, decodes, blurhashes } = create();
  previews.decodeBeside(excerptOf("provisional", "jpeg"), formatNamed("heic"));
  expect(decodes[0]!.format).toBe("jpeg");
  await decodes[0]!.finish(black);
  expect([previews.isPublished, blurhashes()]).toEqual([false, [black, null]]);
  previews.decodeBeside(excerptOf("exact"), jpeg);
  await decodes[1]!.finish(bright);
  expect([previews.isPublished, blurhashes()]).toEqual([true, [bright, bright]]);
});

test("one excerpt is decoded at a time, and one of each accuracy", async () => {
  const { previews, decodes } = create();
  previews.decodeBeside(excerptOf("provisional"), jpeg);
  previews.decodeBeside(excerptOf("close"), jpeg);
  expect(decodes).toHaveLength(1);
  await decodes[0]!.finish(null);
  previews.decodeBeside(excerptOf("provisional"), jpeg);
  expect(decodes).toHaveLength(1);
  previews.decodeBeside(excerptOf("close"), jpeg);
  expect(decodes).toHaveLength(2);
});

test("an excerpt that cannot be decoded has no preview", async () => {
  const { previews, decodes, blurhashes } = create();
  previews.decodeBeside(excerptOf("exact"), jpeg);
  await decodes[0]!.finish(null);
  expect([previews.isPublished, blurhashes()]).toEqual([false, [null, null]]);
});

test("the decoder gets a copy of the bytes, since the buffer of the body is used again", () => {
  const { previews, decodes } = create();
  const excerpt = excerptOf("exact");
  previews.decodeBeside(excerpt, jpeg);
  excerpt.bytes.fill(0);
  expect([...decodes[0]!.bytes]).toEqual([1, 2, 3]);
});

test("the end of the body cancels the decoding of an excerpt that is not exact, and its preview is not shown", async () => {
  for (const accuracy of ["provisional", "close"] as const) {
    const { previews, decodes, blurhashes } = create();
    previews.decodeBeside(excerptOf(accuracy), jpeg);
    expect(decodes[0]!.signal?.aborted).toBe(false);
    const ended = previews.end();
    expect(decodes[0]!.signal?.aborted).toBe(true);
    await decodes[0]!.finish(bright);
    await ended;
    expect(blurhashes()).toEqual([null, null]);
  }
});

test("the end of the body waits for the decoding of an exact excerpt", async () => {
  const { previews, decodes, blurhashes } = create();
  previews.decodeBeside(excerptOf("exact"), jpeg);
  let hasEnded = false;
  const ended = previews.end().then(() => (hasEnded = true));
  await settled();
  expect(hasEnded).toBe(false);
  await decodes[0]!.finish(bright);
  await ended;
  expect([previews.isPublished, blurhashes()]).toEqual([true, [bright, bright]]);
  await previews.end();
});

test("without a decode in progress the end of the body waits for nothing", async () => {
  await create().previews.end();
});

test.each([
  ["exact", jpeg, true],
  ["exact", mp4, true],
  ["close", jpeg, true],
  ["provisional", jpeg, false],
  ["provisional", mp4, false],
] as const)(
  "whether an %s excerpt is enough depends on nothing else, except a close one of a film",
  async (accuracy, format, isEnough) => {
    const { previews, decodes } = create();
    expect(await previews.isEnough(excerptOf(accuracy), format)).toBe(isEnough);
    expect(decodes).toEqual([]);
  },
);

test.each([
  ["enough if their frame is not dark", bright, true, [bright, bright]],
  ["not enough if their frame is black, which is shown until there is a better one", black, false, [black, null]],
  ["not enough if they cannot be decoded", null, false, [null, null]],
] as const)("the first seconds of a film are %s", async (_, blurhash, isEnough, shown) => {
  const { previews, decodes, blurhashes } = create();
  const first = previews.isEnough(excerptOf("close"), mp4);
  await decodes[0]!.finish(blurhash);
  expect([await first, previews.isPublished, blurhashes()]).toEqual([isEnough, isEnough, shown]);
  expect(await previews.isEnough(excerptOf("close"), mp4)).toBe(isEnough);
  expect(decodes).toHaveLength(1);
});
