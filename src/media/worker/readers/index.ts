import type { ReaderName } from "../../formats/index.ts";
import type { Reader } from "../reader.ts";

/** The readers by name, each loaded with its library at the first such file. */
export const readers: Readonly<Record<ReaderName, () => Promise<Reader>>> = {
  heic: async () => (await import("./heic.ts")).reader,
  jxl: async () => (await import("./jxl.ts")).reader,
  bmp: async () => (await import("./bmp.ts")).reader,
  ico: async () => (await import("./ico.ts")).reader,
  pdf: async () => (await import("./pdf.ts")).reader,
  tracks: async () => (await import("./tracks.ts")).reader,
  avi: async () => (await import("./avi.ts")).reader,
  ogg: async () => (await import("./ogg.ts")).reader,
  aiff: async () => (await import("./aiff.ts")).reader,
  headers: async () => (await import("./headers.ts")).reader,
  dolby: async () => (await import("./dolby.ts")).reader,
  "mpeg-audio": async () => (await import("./mpeg-audio.ts")).reader,
  amr: async () => (await import("./amr.ts")).reader,
};
