import { deflateRawSync } from "node:zlib";
import type { PackageName } from "../../src/media/formats/packages.ts";
import { type WorstCases, fill, filled, repeatedTag } from "./fill.ts";
import { heads, latin1 } from "./heads.ts";
import { packageHeads } from "./package-heads.ts";
import { asfHeader, asfObject, asfStream, cafChunk, mpeg2Pack, sequenceHeader } from "./stream-heads.ts";
import { zip } from "./zip.ts";

const emptyObject = asfObject("00".repeat(16), Buffer.alloc(0));

function asfCases(bytes: number): WorstCases {
  const objects = (unit: Buffer) => asfHeader(fill("", unit, bytes));
  return {
    ...filled("asf")(bytes),
    "empty objects": objects(emptyObject),
    "objects shorter than their headers": objects(Buffer.alloc(24)),
    "streams of sound": objects(asfStream("audio")),
  };
}

function mpegCases(start: Buffer): (bytes: number) => WorstCases {
  return (bytes) => ({
    zeros: fill(start, "\0", bytes),
    packs: fill(start, mpeg2Pack, bytes),
    "starts of sequence headers": fill(start, "\0\0\x01\xb3", bytes),
    "sequence headers": fill(start, sequenceHeader(96, 64, 2, true), bytes),
  });
}

/** Worst cases of the streams of audio and video that have a file of their own. */
export const streamCases = {
  flv: filled("flv"),
  "asf-video": asfCases,
  "asf-audio": asfCases,
  asf: asfCases,
  "mpeg-ts": filled("mpeg-ts"),
  "mpeg-ps": mpegCases(heads["mpeg-ps"]),
  "mpeg1-ps": mpegCases(heads["mpeg1-ps"]),
  "mpeg-video": mpegCases(heads["mpeg-video"]),
  caf: (bytes: number) => ({
    ...filled("caf")(bytes),
    "empty chunks": fill(heads.caf, cafChunk("free", Buffer.alloc(0)), bytes),
  }),
  au: filled("au"),
  wavpack: filled("wavpack"),
  ape: repeatedTag("ape"),
  musepack: (bytes: number) => ({
    ...repeatedTag("musepack")(bytes),
    "empty packets": fill("MPCK", "RG\x03", bytes),
    "lengths without end": fill("MPCKRG", "\xff", bytes),
  }),
  tta: repeatedTag("tta"),
  ac3: filled("ac3"),
  eac3: (bytes: number) => ({
    ...filled("eac3")(bytes),
    "the shortest frames": fill("", "\x0b\x77\0\x02\x30\x80", bytes),
  }),
};

// Local headers of an empty file, with its length in the header or behind the content, and the latter.
const emptyFile = zip({ name: "a", content: "", isStored: true }).subarray(0, 31);
const withDescriptor = zip({ name: "a", content: "", isStored: true, hasDescriptor: true }).subarray(0, 47);
const openFile = withDescriptor.subarray(0, 31);

/** A central directory whose entries are all the same bytes, a decompression bomb in the list of parts. */
function sharedEntry(name: string, bytes: number): Buffer {
  const bomb = deflateRawSync(Buffer.alloc(16 * 1024 ** 2));
  const local = zip({ name: "a", content: "" }).subarray(0, 31);
  local.writeUInt16LE(8, 8);
  const entry = Buffer.alloc(46);
  entry.write("PK\x01\x02", "latin1");
  entry.writeUInt32LE(4096, 20);
  entry.writeUInt16LE(name.length, 28);
  const content = bomb.subarray(0, 4096);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt32LE(local.length + content.length, 16);
  const directory = fill("", Buffer.concat([entry, latin1(name)]), Math.min(bytes, 8192));
  return Buffer.concat([local, content, directory, end]);
}

function zipCases(bytes: number): WorstCases {
  return {
    "empty files": fill("", emptyFile, bytes),
    "files with descriptors": fill("", withDescriptor, bytes),
    "a file without a descriptor": fill(openFile, "a", bytes),
    "descriptors of other files": fill(openFile, "PK\x07\x08", bytes),
    "entries of a directory that share a decompression bomb": sharedEntry("[Content_Types].xml", bytes),
    "entries of a directory without end": sharedEntry("", bytes),
    "a list of parts without a main part": zip({ name: "[Content_Types].xml", content: fill("", 'ContentType="application/a.main', bytes) }), // prettier-ignore
  };
}

/** Worst cases of the formats in a ZIP archive. They share one parser, so all but one have only their own file. */
export const packageCases = {
  ...(Object.fromEntries(
    Object.entries(packageHeads).map(([name, head]) => [
      name,
      (bytes: number) => ({ "the same start again": fill("", head, bytes) }),
    ]),
  ) as unknown as Readonly<Record<PackageName, (bytes: number) => WorstCases>>),
  docx: zipCases,
};
