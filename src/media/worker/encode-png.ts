import { crc32, deflateSync } from "node:zlib";
import type { Raster } from "../raster.ts";

/** Encodes pixels and their ICC profile as a PNG (W3C PNG 3, 5.3, 11.2 and 11.3.2.3): fast, but uncompressed. */
export function encodePng({ width, height, rgba }: Raster, profile: Uint8Array): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 6], 8); // bits a channel; red, green, blue, opacity
  const rows = Buffer.alloc(height * (1 + width * 4)); // each behind a zero: not filtered
  for (let row = 0; row < height; row += 1) {
    rows.set(rgba.subarray(row * width * 4, (row + 1) * width * 4), row * (1 + width * 4) + 1);
  }
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("iCCP", Buffer.concat([Buffer.from("profile\0\0"), stored(profile)])),
    chunk("IDAT", stored(rows)),
    chunk("IEND", new Uint8Array()),
  ]);
}

function chunk(type: string, content: Uint8Array): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type), content, Buffer.alloc(4)]);
  bytes.writeUInt32BE(content.length, 0);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
  return bytes;
}

function stored(bytes: Uint8Array): Buffer {
  return deflateSync(bytes, { level: 0 });
}
