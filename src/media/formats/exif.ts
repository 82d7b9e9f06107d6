import { type WorkBudget, hasAt, readUint16, readUint16LE, readUint32, readUint32LE } from "./bytes.ts";

/**
 * Whether width and height change places when the picture is shown (EXIF 2.32, 4.6.4 A: orientation 5 to 8).
 *
 * @param data behind `Exif` and two zeros: a TIFF header, then the first directory somewhere (TIFF 6.0, section 2)
 * @returns null if the data is broken or cut off, or its directory is longer than the budget
 */
export function isSideways(data: Uint8Array, work: WorkBudget): boolean | null {
  const isLittle = hasAt(data, 0, "II*\0");
  if (!isLittle && !hasAt(data, 0, "MM\0*")) return null;
  const [read16, read32] = isLittle ? [readUint16LE, readUint32LE] : [readUint16, readUint32];
  const directory = read32(data, 4);
  const entries = directory + 2;
  const end = entries + 12 * read16(data, directory);
  if (directory < 8 || end > data.length) return null;
  for (let entry = entries; entry < end; entry += 12) {
    if (!work.step()) return null;
    if (read16(data, entry) !== 0x0112) continue;
    const isOneShort = read16(data, entry + 2) === 3 && read32(data, entry + 4) === 1;
    const orientation = read16(data, entry + 8);
    return isOneShort ? orientation >= 5 && orientation <= 8 : null;
  }
  return false;
}
