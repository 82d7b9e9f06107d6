import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { type ClipToShow, createPosters } from "../../../../src/media/decode/poster.ts";

const folder = mkdtempSync(join(tmpdir(), "media-oracle-"));
afterAll(() => rmSync(folder, { recursive: true }));

let programs = 0;

/** A program in the place of ffmpeg; `$folder` is its folder of files. */
function program(script: string, files: Readonly<Record<string, Uint8Array>> = {}): string {
  const file = join(folder, `ffmpeg-${(programs += 1)}`);
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  writeFileSync(file, `#!/bin/sh\nfolder=${folder}\n${script}\n`, { mode: 0o755 });
  return file;
}

const posters = (ffmpeg: string, { timeoutMs = 30_000, maxWaiting = 9, wrapper = [] as string[] } = {}) =>
  createPosters({ ffmpeg, wrapper, timeoutMs, maxWaiting });

const clip: ClipToShow = {
  bytes: Uint8Array.of(1, 2, 3),
  container: "mov",
  rotation: 0,
  displayed: { width: 96, height: 64 },
};

/** A bitmap of so many bytes, by its header alone. */
function bitmap(bytes: number, fill = 7): Buffer {
  const file = Buffer.alloc(bytes, fill);
  file.write("BM");
  file.writeUInt32LE(bytes, 2);
  return file;
}

const outcomeOf = async (output: Buffer) =>
  posters(program("cat $folder/output", { output }))(clip).then((poster) =>
    typeof poster === "string" ? poster : Buffer.from(poster),
  );

// Two frames of 512 x 512 pixels of three bytes, and 1024 bytes for each header.
const maxBytes = 2 * (786_432 + 1024);

test.each<[string, Buffer, Buffer | "failed"]>([
  ["one bitmap", bitmap(60), bitmap(60)],
  ["two bitmaps", Buffer.concat([bitmap(60, 1), bitmap(70, 2)]), bitmap(70, 2)],
  ["a bitmap and part of another", Buffer.concat([bitmap(60, 1), bitmap(70).subarray(0, -1)]), bitmap(60, 1)],
  ["a bitmap and other bytes", Buffer.concat([bitmap(60, 1), Buffer.alloc(90)]), bitmap(60, 1)],
  ["a bitmap and one that declares no bytes", Buffer.concat([bitmap(60, 1), Buffer.from("BM\0\0\0\0\0\0")]), bitmap(60, 1)],
  ["part of a bitmap", bitmap(70).subarray(0, -1), "failed"],
  ["other bytes", Buffer.alloc(90), "failed"],
  ["nothing", Buffer.alloc(0), "failed"],
  ["as many bytes as two frames have", Buffer.concat([bitmap(100), bitmap(maxBytes - 100)]), bitmap(maxBytes - 100)],
  ["one byte more than two frames have", Buffer.concat([bitmap(100), bitmap(maxBytes - 99)]), "failed"],
])("the poster is the last complete bitmap of ffmpeg's output: %s", async (_, output, expected) => {
  expect(await outcomeOf(output)).toEqual(expected);
}); // prettier-ignore

test("an output without an end is cut off", async () => {
  expect(await posters(program("exec cat /dev/zero"))(clip)).toBe("failed");
});

test("ffmpeg gets the clip on its standard input, and behind the sandbox its scale, rotation and container", async () => {
  const output = bitmap(60);
  const inner = program('cat > $folder/input; printf "%s\\n" "$@" > $folder/arguments; cat $folder/output', { output });
  const wrapper = [program('touch $folder/wrapped; exec "$@"')];
  const turned = { ...clip, container: "ogg", rotation: 90, displayed: { width: 1000, height: 4000 } } as const;
  expect(await posters(inner, { wrapper })(turned)).toEqual(output);
  const read = (name: string) => readFileSync(join(folder, name));
  expect([...read("input")]).toEqual([1, 2, 3]);
  expect(read("wrapped")).toHaveLength(0);
  expect(read("arguments").toString()).toMatch(
    /^-f\nogg\n-i\npipe:0$[^]*transpose=clock,scale=128:512,[^]*:value=98:/m,
  );
});

test("a program that reads no input gives a poster all the same", async () => {
  const ffmpeg = program("exec 0<&-; cat $folder/output", { output: bitmap(60) });
  expect(await posters(ffmpeg)({ ...clip, bytes: new Uint8Array(4 * 1024 ** 2) })).toEqual(bitmap(60));
});

test("a program that is missing is a failed poster, and the next clip has its turn", async () => {
  const readPoster = posters(join(folder, "missing"));
  expect([await readPoster(clip), await readPoster(clip)]).toEqual(["failed", "failed"]);
});

test("posters are made one after the other", async () => {
  const ffmpeg = program("mkdir $folder/lock || exit 1; sleep 0.05; rmdir $folder/lock; cat $folder/output", { output: bitmap(60) }); // prettier-ignore
  const readPoster = posters(ffmpeg);
  expect(await Promise.all([readPoster(clip), readPoster(clip), readPoster(clip)])).toEqual(Array(3).fill(bitmap(60)));
});

test("as many clips may wait as the limit says, and the next one is too late at once", async () => {
  const readPoster = posters(program("cat $folder/output", { output: bitmap(60) }), { maxWaiting: 2 });
  for (let round = 0; round < 2; round += 1) {
    const outcomes = await Promise.all([readPoster(clip), readPoster(clip), readPoster(clip)]);
    expect(outcomes).toEqual([bitmap(60), bitmap(60), "too_late"]);
  }
});

test("a poster is too late at the time limit, which includes the wait for others", async () => {
  const ffmpeg = program("echo >> $folder/starts; exec sleep 600", { starts: new Uint8Array() });
  const readPoster = posters(ffmpeg, { timeoutMs: 300 });
  expect(await Promise.all([readPoster(clip), readPoster(clip)])).toEqual(["too_late", "too_late"]);
  expect(readFileSync(join(folder, "starts")).length).toBeLessThanOrEqual(1); // none for the second clip
});

test("a poster leaves no timer behind", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const poster = posters(program("cat $folder/output", { output: bitmap(60) }))(clip);
  await Promise.resolve(); // its turn
  expect(vi.getTimerCount()).toBe(1);
  expect(await poster).toEqual(bitmap(60));
  expect(vi.getTimerCount()).toBe(0);
});

test.each([
  [999, bitmap(60)],
  [1000, "too_late"],
])("ffmpeg starts if its clip has waited for less than the time limit of 1 s: %i ms", async (waitedMs, expected) => {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  vi.advanceTimersByTime(60_000);
  const readPoster = posters(program("cat $folder/output", { output: bitmap(60) }), { timeoutMs: 1000 });
  const [first, second] = [readPoster(clip), readPoster(clip)];
  await Promise.resolve(); // the turn of the first
  vi.advanceTimersByTime(waitedMs);
  await first;
  expect(await second).toEqual(expected);
});
