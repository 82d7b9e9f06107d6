import { expect, test } from "vitest";
import { readMpegFrame } from "../../../../src/media/formats/mpeg-frames.ts";

const versions = { "1": 3, "2": 2, "2.5": 0 } as const;
const layers = [1, 2, 3] as const;

test.each(
  Object.entries(versions).flatMap(([name, version]) => layers.map((layer) => [name, layer, version] as const)),
)(
  "a frame of MPEG %s, layer %i, has one of fourteen rising bitrates, and none that is free or forbidden",
  (_, layer, version) => {
    const second = 0xe0 | (version << 3) | ((4 - layer) << 1) | 1;
    const bitrates = Array.from(
      { length: 16 },
      (_value, index) => readMpegFrame(Uint8Array.of(0xff, second, index << 4), 0)?.bitrate ?? null,
    );
    expect([bitrates[0], bitrates[15]]).toEqual([null, null]); // ISO/IEC 11172-3, 2.4.2.3
    const valid = bitrates.slice(1, 15).map(Number);
    expect(valid).toEqual([...new Set(valid)].sort((one, other) => one - other));
    expect(valid).not.toContain(0);
  },
);
