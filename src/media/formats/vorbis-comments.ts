import { asBuffer } from "./bytes.ts";

// https://wiki.xiph.org/VorbisComment#METADATA_BLOCK_PICTURE; names are compared without regard to case.
const pictureKeys = ["METADATA_BLOCK_PICTURE", "metadata_block_picture"];

/** Whether comments (Vorbis I, 5) have a cover. */
export function hasPictureComment(comments: Uint8Array): boolean {
  return pictureKeys.some((key) => asBuffer(comments).includes(key));
}
