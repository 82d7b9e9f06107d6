import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { FormatName } from "../../../../src/media/formats/index.ts";
import { sniff } from "../../../../src/media/formats/sniff.ts";
import { heads, latin1 } from "../../../support/heads.ts";
import { randomIntegers } from "../../../support/mutations.ts";
import { ac3Frames, asfHeader, asfObject, asfStream, eac3Frames, mpeg2Pack, sequenceHeader, trueAudio, tsPackets } from "../../../support/stream-heads.ts"; // prettier-ignore

const nameOf = (head: Uint8Array) => sniff(head)?.name ?? null;
const id3 = latin1("ID3\x04\0\0\0\0\0\x0a");
const behindTag = (file: Buffer) => Buffer.concat([id3, Buffer.alloc(10), file]);
const changed = (file: Buffer, at: number, byte: number) => Buffer.concat([file.subarray(0, at), Buffer.from([byte]), file.subarray(at + 1)]); // prettier-ignore

test.each<[string, Uint8Array, FormatName | null]>([
  ["transport stream packets with time codes", tsPackets(5, 192), "mpeg-ts"],
  ["four transport stream packets", tsPackets(4), null],
  ["transport stream packets of which one lacks its sync byte", changed(tsPackets(6), 2 * 188, 0), null],
  ["a text of the letter of the sync byte", Buffer.alloc(2000, "G"), "text"],
  ["a start code of a pack without its marker bits", changed(mpeg2Pack, 6, 0), null],
  ["a sequence header of no size", sequenceHeader(0, 0, 1, false), null],
  ["Flash video with reserved flags", changed(heads.flv, 4, 0xff), null],
  ["a header of Windows Media that goes on behind the head, only sound so far", asfHeader(asfStream("audio"), asfObject("00".repeat(16), Buffer.alloc(90))).subarray(0, -1), "asf"], // prettier-ignore
  ["a header of Windows Media with objects of no length", asfHeader(Buffer.alloc(4096)), "asf"],
  ["True Audio behind a tag", behindTag(trueAudio(1)), "tta"],
  ["Monkey's Audio behind a tag", behindTag(heads.ape), "ape"],
  ["Musepack of stream version 7", latin1("MP+\x17\0\0\0\0"), "musepack"],
  ["Musepack of stream version 6", latin1("MP+\x06\0\0\0\0"), null],
  ["a sentence that begins with MPCK", Buffer.from("MPCK is the signature of Musepack."), "text"],
  ["a sentence that begins with MAC", Buffer.from("MAC addresses have six bytes."), "text"],
  ["one frame of AC-3 and then noise", Buffer.concat([ac3Frames(1), Buffer.alloc(400, 0x55)]), null],
  ["one frame of E-AC-3 and then noise", Buffer.concat([eac3Frames(1).subarray(0, 256), Buffer.alloc(99, 0x55)]), null],
  ["AC-3 and then E-AC-3", Buffer.concat([ac3Frames(1), eac3Frames(1)]), null],
  ["a web font of a font collection", latin1("wOF2ttcf\0\0\x20\0\0\x0a\0\0\0\0\x40\0"), "woff2"],
  ["a font without tables", changed(changed(heads.ttf, 4, 0), 5, 0), null],
  ["a database of Access", latin1("\0\x01\0\0Standard Jet DB\0"), null],
  ["a contact in Latin-1 behind a byte order mark", latin1("\xef\xbb\xbfbegin:vcard\nFN:Zo\xeb\n"), "vcard"],
  ["a sentence about contacts", Buffer.from("BEGIN:VCARDS are not contacts"), "text"],
  ["an animation without Telegram's key", gzipSync('{"v":"5.5.2","fr":60,"ip":0,"op":180,"layers":[]}'), "tgs"],
  ["other gzipped JSON", gzipSync('{"fr": "French", "ip": 1}'), "gzip"],
  ["a gzipped list of animations", gzipSync('[{"tgs":1}]'), "gzip"],
  ["an animation that is a decompression bomb", gzipSync(`{"tgs":1,"v":"${" ".repeat(9e6)}"}`), "gzip"],
])("the format of %s is sniffed", (_, head, name) => {
  expect(nameOf(head)).toBe(name);
});

const strict: readonly FormatName[] = [
  ...([
    "flv",
    "asf",
    "mpeg-ts",
    "mpeg-ps",
    "mpeg1-ps",
    "mpeg-video",
    "caf",
    "au",
    "wavpack",
    "ape",
    "musepack",
  ] as const),
  ...(["tta", "ac3", "eac3", "cfb", "woff2", "woff", "otf", "ttf", "ttc", "eot", "wasm", "sqlite"] as const),
];

describe("two bytes of a signature are not enough", () => {
  test.each(strict)("none of 2,000 heads of two bytes of %s and then noise is sniffed as it", (name) => {
    const random = randomIntegers(1);
    const noise = () => Uint8Array.from({ length: 1024 }, () => random(256));
    const found = Array.from({ length: 2000 }, () => nameOf(Buffer.concat([heads[name].subarray(0, 2), noise()])));
    expect(found).not.toContain(name);
  });
});
