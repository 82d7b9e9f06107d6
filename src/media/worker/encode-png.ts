import { crc32, deflateSync } from "node:zlib";
import { type Raster, isOpaque } from "../raster.ts";

export interface PngOptions {
  /** ICC profile. */
  readonly profile?: Uint8Array;
  /** Compression level of zlib; 0 is fast. */
  readonly level: number;
}

/** Encodes pixels as a PNG (W3C PNG 3, 5.3, 11.2 and 11.3.2.3); without an alpha channel if all are opaque. */
export function encodePng(raster: Raster, { profile, level }: PngOptions): Buffer {
  const { width, height } = raster;
  const channels = isOpaque(raster) ? 3 : 4;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, channels === 3 ? 2 : 6], 8); // bits a channel; truecolour, with or without alpha
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    ...(profile ? [chunk("iCCP", Buffer.concat([Buffer.from("profile\0\0"), deflateSync(profile, { level })]))] : []),
    chunk("IDAT", deflateSync(scanlines(raster, channels), { level })),
    chunk("IEND", new Uint8Array()),
  ]);
}

/** Returns the rows, each behind a zero: not filtered. */
function scanlines({ width, height, rgba }: Raster, channels: number): Buffer {
  const rows = Buffer.alloc(height * (1 + width * channels));
  for (let y = 0, from = 0, to = 0; y < height; y += 1) {
    to += 1;
    for (let x = 0; x < width; x += 1, from += 4) {
      for (let channel = 0; channel < channels; channel += 1) rows[to++] = rgba[from + channel] ?? 0;
    }
  }
  return rows;
}

function chunk(type: string, content: Uint8Array): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type), content, Buffer.alloc(4)]);
  bytes.writeUInt32BE(content.length, 0);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
  return bytes;
}
