import { describe, expect, test } from "vitest";
import { readDolbyFrame } from "../../../../src/media/formats/ac3.ts";
import { type Frame, readAdtsFrame, readMpegFrame } from "../../../../src/media/formats/mpeg-frames.ts";
import { countOpusSamples } from "../../../../src/media/formats/ogg-streams.ts";
import { planNamed } from "../../../support/plans.ts";
import { arrivalOf } from "../../../support/read-plans.ts";
import { wavpackBlock } from "../../../support/stream-heads.ts";

// Snapshots with one line for each row of the tables in the specifications, to be compared with them.

const codes = (count: number) => Array.from({ length: count }, (_, code) => code);
const describeFrame = (frame: Frame | null) =>
  frame ? `${frame.bytes} bytes of ${frame.samples} at ${frame.rate} Hz` : "none";

describe("MPEG audio (ISO/IEC 11172-3, 2.4.2.3; 13818-3, 2.4.2.3)", () => {
  const versions = { "1": 3, "2": 2, "2.5": 0, reserved: 1 };
  const rows = Object.entries(versions).flatMap(([name, version]) =>
    [1, 2, 3, 4].flatMap((layer) => codes(4).map((rate) => [name, layer, rate, version] as const)),
  );
  test.each(rows)(
    "frames of MPEG audio, version %s, layer %i and rate %i, have the lengths in the snapshot",
    (_, layer, rate, version) => {
      const frameOf = (bitrate: number, padding: number) =>
        readMpegFrame(
          Uint8Array.of(
            0xff,
            0xe1 | (version << 3) | ((4 - layer) << 1),
            (bitrate << 4) | (rate << 2) | (padding << 1),
          ),
          0,
        );
      const lines = codes(16).map((bitrate) =>
        [0, 1].map((padding) => describeFrame(frameOf(bitrate, padding))).join(", padded "),
      );
      expect(lines).toMatchSnapshot();
    },
  );
});

test.each(codes(16))("ADTS frames of rate %i have the lengths in the snapshot (ISO/IEC 13818-7, table 35)", (rate) => {
  const frameOf = (bytes: number, blocks: number) =>
    readAdtsFrame(
      Uint8Array.of(
        0xff,
        0xf1,
        0x40 | (rate << 2),
        0x80 | (bytes >> 11),
        (bytes >> 3) & 255,
        ((bytes & 7) << 5) | 31,
        0xfc | blocks,
      ),
      0,
    );
  expect([6, 7, 8, 255, 2048, 8191].map((bytes) => describeFrame(frameOf(bytes, bytes % 4)))).toMatchSnapshot();
});

describe("Dolby (ATSC A/52)", () => {
  test.each([0, 8, 9, 10])("AC-3 frames of identifier %i have the lengths in the snapshot (table 5.18)", (id) => {
    const frameOf = (rate: number, size: number) =>
      readDolbyFrame(Uint8Array.of(0x0b, 0x77, 0, 0, (rate << 6) | size, id << 3), 0);
    const lines = codes(40).map((size) =>
      codes(4)
        .map((rate) => describeFrame(frameOf(rate, size)))
        .join(", "),
    );
    expect(lines).toMatchSnapshot();
  });

  test.each([11, 16, 17, 31])("E-AC-3 frames of identifier %i have the lengths in the snapshot (E.1.2.2)", (id) => {
    const frameOf = (stream: number, codesByte: number) =>
      readDolbyFrame(Uint8Array.of(0x0b, 0x77, stream, 0x34, codesByte, id << 3), 0);
    const streams = [0x00, 0x05, 0x08, 0x40, 0x80, 0xc0];
    const lines = streams.map((stream) =>
      codes(16)
        .map((code) => describeFrame(frameOf(stream, code << 4)))
        .join(", "),
    );
    expect(lines).toMatchSnapshot();
  });
});

test("Opus packets have the numbers of samples in the snapshot, by their first bytes (RFC 6716, 3.1 and 3.2.5)", () => {
  const lines = codes(32).map((configuration) =>
    codes(4)
      .map((code) =>
        [0, 1, 2, 63, 0xc3].map((second) => countOpusSamples((configuration << 3) | code, second)).join(" "),
      )
      .join(", "),
  );
  expect(lines).toMatchSnapshot();
});

test("WavPack files of the 16 rates have the durations in the snapshot", () => {
  const { facts } = planNamed("wavpack");
  const durations = codes(16).map((rate) => {
    const file = wavpackBlock(1_000_000, (rate << 23) >>> 0);
    return facts(arrivalOf(file, file.length)).known.durationMs ?? null;
  });
  expect(durations).toMatchSnapshot();
});
