import type { Input } from "mediabunny";

// The window in which the library looks for an element ID: it never gets past a window of these bytes.
const maxIdBytes = 8;

/** The part of mediabunny's reader that its Matroska demuxer searches with. */
interface SliceReader {
  requestSliceRange(start: number, minLength: number, maxLength: number): unknown;
  readonly fileSizeNonStrict: number | null;
}

/**
 * Bounds the search for the next element behind junk in Matroska and WebM files.
 *
 * mediabunny 1.61.0's `resync` (matroska/ebml.ts) has no end in two cases: at the end of the file or of the segment, where
 * its window of eight bytes has no position left to try (`slice.length < 8` should be `<=`); and at an element with a known
 * ID and an invalid size, which it finds again and again. Both block the process. Here such a request gets no bytes, and
 * the library takes the file to end there.
 *
 * @param input must not have been read from, except for its format
 */
export async function guardResync(input: Input): Promise<void> {
  await input.getFormat(); // creates the reader
  const { _reader: reader } = input as unknown as { readonly _reader: SliceReader };
  const request = reader.requestSliceRange.bind(reader);
  let searchedFrom: number | null = null;
  reader.requestSliceRange = (start, minLength, maxLength) => {
    const isSearch = minLength === 0; // all others need at least a header
    if (!isSearch) {
      if (start !== searchedFrom) searchedFrom = null;
      return request(start, minLength, maxLength);
    }
    const bytesLeft = Math.min(maxLength, (reader.fileSizeNonStrict ?? Infinity) - start);
    if (bytesLeft <= maxIdBytes || start === searchedFrom) return null;
    searchedFrom = start;
    return request(start, minLength, maxLength);
  };
}
