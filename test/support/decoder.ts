import { type Decoder, type DecoderOptions, createDecoder } from "../../src/media/decoder.ts";
import { type Format, type FormatName, formats } from "../../src/media/formats.ts";

/** The program of the decoder's processes as it is shipped: built, not through a loader. */
export const builtEntry = new URL("../../dist/media/child.js", import.meta.url);

/** A running decoder with the service's own defaults, ended by `onFinished`. */
export async function startDecoder(
  onFinished: (end: () => Promise<void>) => void,
  options: Partial<DecoderOptions> = {},
): Promise<Decoder> {
  const decoder = createDecoder({
    entry: builtEntry,
    processes: 2,
    decodeTimeoutMs: 20_000,
    decodeBytes: 512 * 1024 ** 2,
    maxWaiting: 256,
    formats: ["jpeg", "png", "webp", "gif", "avif"],
    ...options,
  });
  onFinished(() => decoder.close());
  await decoder.start();
  return decoder;
}

export function formatNamed(name: FormatName): Format {
  return formats.find((format) => format.name === name)!;
}
