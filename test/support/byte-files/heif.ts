import { box, fileType, latin1 } from "../heads.ts";
import { heifOf, reference, storedSize } from "../plan-files.ts";
import { uint } from "../worst-cases.ts";
import { concat, far, full } from "./parts.ts";

const settings = box("hvcC", Buffer.alloc(16), Buffer.from([1, 0, 0]));
const picture = (isDataFirst: boolean) =>
  heifOf({
    brands: ["heic", "mif1"],
    primary: 1,
    isDataFirst,
    properties: [
      storedSize(4000, 3000),
      storedSize(320, 240),
      box("irot", "\x01"),
      settings,
      box("colr", "prof", Buffer.alloc(30, 9)),
    ],
    references: [reference("dimg", 1, 2, 3), reference("thmb", 4, 1), reference("cdsc", 5, 1)],
    items: [
      { id: 1, type: "grid", data: latin1("\0\0\0\x01\x0f\xa0\x0b\xb8"), properties: [1, 3, 5] },
      { id: 2, type: "hvc1", data: Buffer.alloc(300, 2), properties: [1, 4] },
      { id: 3, type: "hvc1", data: Buffer.alloc(310, 3), properties: [1, 4] },
      { id: 4, type: "hvc1", data: Buffer.alloc(120, 4), properties: [2, 3, 4] },
      { id: 5, type: "Exif", data: Buffer.alloc(90, 5), properties: [] },
    ],
  });
const alphaType = box("auxC", full, "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0");
const clap = (...numbers: readonly number[]) => box("clap", ...numbers.map((value) => uint(4, value)));
const heifs = {
  "a HEIC with a thumbnail": picture(false),
  "a HEIC with a thumbnail whose data is first": picture(true),
  "an AVIF": heifOf({
    brands: ["avif", "mif1"],
    primary: 1,
    properties: [storedSize(400, 300), box("av1C", "\x81\0\x0c\0")],
    items: [{ id: 1, type: "av01", data: Buffer.alloc(200, 1), properties: [1, 2] }],
  }),
  "an AVIF with opacity": heifOf({
    brands: ["avif", "mif1"],
    primary: 2,
    properties: [storedSize(400, 300), box("av1C", "\x81\0\x0c\0"), alphaType],
    references: [reference("auxl", 1, 2), reference("cdsc", 3, 2)],
    items: [
      { id: 1, type: "av01", data: Buffer.alloc(100, 1), properties: [1, 2, 3] },
      { id: 2, type: "av01", data: Buffer.alloc(200, 2), properties: [1, 2] },
      { id: 3, type: "Exif", data: Buffer.alloc(300, 3), properties: [] },
    ],
  }),
  "an AVIF of two pictures": heifOf({
    brands: ["avif", "mif1"],
    primary: 1,
    properties: [storedSize(400, 300)],
    items: [
      { id: 1, type: "av01", data: Buffer.alloc(200, 1), properties: [1] },
      { id: 2, type: "av01", data: Buffer.alloc(200, 1), properties: [1] },
    ],
  }),
  "a cropped HEIF": heifOf({
    brands: ["mif1", "miaf"],
    primary: 1,
    properties: [storedSize(400, 300), clap(101, 2, 50, 1, 0, 1, 0, 1), box("imir", "\x01")],
    items: [{ id: 1, type: "hvc1", data: Buffer.alloc(200, 1), properties: [1, 2, 3] }],
  }),
};

/** A picture in two parts, whose item list has long numbers: offsets of 8 bytes behind a base of 4, lengths of 8. */
function longHeif(version: 1 | 2, method = 0): Buffer {
  const id = (value: number) => uint(version === 2 ? 4 : 2, value);
  const [one, two] = [Buffer.alloc(90, 1), Buffer.alloc(110, 2)];
  const type = fileType("heic", "mif1");
  const meta = (dataAt: number) =>
    box(
      "meta",
      full,
      box("hdlr", full, full, "pict", Buffer.alloc(13)),
      box("pitm", uint(4, version === 2 ? 0x0100_0000 : 0), id(1)),
      box(
        "iloc",
        concat([
          uint(4, version * 2 ** 24),
          Buffer.from([0x88, 0x44]),
          id(1),
          id(1),
          uint(2, method),
          uint(2, 0),
          uint(4, dataAt),
          uint(2, 2),
        ]),
        ...[
          [0, one.length],
          [one.length + 8, two.length],
        ].map(([from = 0, bytes = 0]) => concat([full, full, uint(4, from), full, uint(4, bytes)])),
      ),
      box(
        "iinf",
        version === 2 ? concat([uint(4, 0x0100_0000), uint(4, 1)]) : concat([full, uint(2, 1)]),
        box("infe", uint(4, version === 2 ? 0x0300_0000 : 0x0200_0000), id(1), uint(2, 0), "hvc1\0"),
      ),
      box(
        "iprp",
        box("ipco", storedSize(400, 300), settings),
        box("ipma", uint(4, (version === 2 ? 0x0100_0000 : 0) + 1), uint(4, 1), id(1), Buffer.from([2, 0x80, 1, 0, 2])),
      ),
    );
  return concat([type, meta(type.length + meta(0).length + 8), box("mdat", one, Buffer.alloc(8), two)]);
}

/** An image sequence: a track of pictures of 120 bytes. */
function sequence(brand: string, codec: string, property: string, matrix: readonly number[]): Buffer {
  const type = fileType(brand, "msf1", "iso8");
  const header = (dataAt: number) => {
    const entry = box(
      codec,
      Buffer.alloc(24),
      uint(2, 90),
      uint(2, 60),
      Buffer.alloc(50),
      box(property, "\x81\0\x0c\0"),
      box("colr", "nclx", Buffer.alloc(7)),
    );
    const table = box(
      "stbl",
      box("stsd", full, uint(4, 1), entry),
      box("stts", full, uint(4, 1), uint(4, 2), uint(4, 100)),
      box("stsc", full, uint(4, 1), uint(4, 1), uint(4, 2), uint(4, 1)),
      box("stsz", full, uint(4, 120), uint(4, 2)),
      box("stco", full, uint(4, 1), uint(4, dataAt)),
    );
    const track = box(
      "tkhd",
      uint(4, 3),
      Buffer.alloc(8),
      uint(4, 1),
      Buffer.alloc(24),
      ...matrix.map((value) => uint(4, value)),
      uint(4, 90 * 65_536),
      uint(4, 60 * 65_536),
    );
    const media = box(
      "mdia",
      box("mdhd", full, Buffer.alloc(8), uint(4, 1000), uint(4, 200), full),
      box("hdlr", full, full, "pict", full),
      box("minf", table),
    );
    return box(
      "moov",
      box("mvhd", full, Buffer.alloc(8), uint(4, 1000), uint(4, 200), Buffer.alloc(80)),
      box("trak", track, media),
    );
  };
  return concat([
    type,
    header(type.length + header(0).length + 8),
    box("mdat", Buffer.alloc(120, 1), Buffer.alloc(120, 2)),
  ]);
}

/** A picture whose list of locations ends before its last field, which then is the length of the next box. */
function cutList(): Buffer {
  const listBytes = box("iinf", Buffer.alloc(6), box("infe", Buffer.alloc(8), "hvc1\0")).length;
  const file = heifOf({
    brands: ["heic", "mif1"],
    primary: 1,
    properties: [storedSize(400, 300)],
    items: [{ id: 1, type: "hvc1", data: Buffer.alloc(4 + listBytes, 1), properties: [1] }],
  });
  const at = file.indexOf("iloc") - 4;
  file.writeUInt32BE(file.readUInt32BE(at) - 4, at);
  return file;
}

const longHeifs = {
  "a HEIC whose list of locations is cut": cutList(),
  "a HEIC of long offsets": longHeif(1),
  "a HEIC of long numbers": longHeif(2),
  "a HEIC whose data is in its list": longHeif(1, 1),
  "a HEIC whose data is in another item": longHeif(1, 2),
  "an AVIF sequence": sequence("avis", "av01", "av1C", [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000]),
  "a turned AVIF sequence": sequence("avis", "av01", "av1C", [0, 0x10000, 0, 0xffff0000, 0, 0, 0, 0, 0x40000000]),
  "a HEIC sequence": sequence("hevc", "hvc1", "hvcC", [0xffff0000, 0, 0, 0, 0xffff0000, 0, 0, 0, 0x40000000]),
};

const farHeifs = {
  "a long HEIC with its thumbnail last": heifOf({
    brands: ["heic", "mif1"],
    primary: 1,
    properties: [storedSize(4000, 3000), storedSize(320, 240)],
    references: [reference("thmb", 2, 1)],
    items: [
      { id: 1, type: "hvc1", data: far, properties: [1] },
      { id: 2, type: "hvc1", data: Buffer.alloc(120, 4), properties: [2] },
    ],
  }),
  "a long HEIC whose data is first": heifOf({
    brands: ["heic", "mif1"],
    primary: 1,
    isDataFirst: true,
    properties: [storedSize(4000, 3000)],
    items: [{ id: 1, type: "hvc1", data: far, properties: [1] }],
  }),
};

export const heifFiles = { ...heifs, ...longHeifs, ...farHeifs };
