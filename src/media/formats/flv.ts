import { all, at } from "./bytes.ts";
import type { Row } from "./format.ts";

// Flags of audio (4) and video (1); the other bits are reserved.
const reservedFlags = 0xfa;

export const flv = {
  type: "video/x-flv",
  kind: "video",
  // Adobe, Flash Video File Format 10.1, E.2: the version, the flags, the length of this header
  matches: all(at(0, "FLV\x01"), (head) => ((head[4] ?? 0xff) & reservedFlags) === 0, at(5, [0, 0, 0, 9])),
  aliases: ["video/flv", "video/x-flash-video"],
} as const satisfies Row;
