import { box, fileType, latin1 } from "../heads.ts";
import { fragment, fragmentDefaults, movieHeader } from "../track-bytes.ts";
import { uint } from "../worst-cases.ts";
import { concat, far, full, id3 } from "./parts.ts";

const movie = (...boxes: readonly Buffer[]) => concat([fileType("isom", "mp42"), ...boxes]);
const mdat = box("mdat", Buffer.alloc(300, "media"));
const film = { samples: 30, duration: 3000 } as const;
const song = { handler: "soun", codec: "mp4a", samples: 31, duration: 3100 } as const;
const cover = box("udta", box("meta", full, box("ilst", box("covr", box("data", full, full, Buffer.alloc(60, 9))))));
const tfra = (id: number, time: number, at: number) =>
  box("tfra", full, uint(4, id), full, uint(4, 1), uint(4, time), uint(4, at), Buffer.alloc(3));
const mfra = (...tables: readonly Buffer[]) =>
  box("mfra", ...tables, box("mfro", full, uint(4, 8 + concat(tables).length + 16)));
const sidx = (...references: readonly (readonly [number, number])[]) =>
  box(
    "sidx",
    full,
    uint(4, 1),
    uint(4, 1000),
    full,
    full,
    uint(4, references.length),
    ...references.map(([bytes, units]) => concat([uint(4, bytes), uint(4, units), full])),
  );
const fragmented = movieHeader([{}], fragmentDefaults());
const live = movie(fragmented, fragment(1, 10, 5000), fragment(1, 10, 6000));
const indexed = concat([live, fragment(1, 10, 7000)]);
/** A movie of five samples in two chunks; times and offsets of 4 bytes or of 8. */
function listedMovie(bytes: 4 | 8): Buffer {
  const isLong = bytes === 8;
  const version = uint(4, isLong ? 0x0100_0000 : 0);
  const time = (value: number) => concat([Buffer.alloc(bytes - 4), uint(4, value)]);
  const matrix = concat([0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000].map((value) => uint(4, value)));
  const times = (timescale: number, duration: number) =>
    concat([version, time(0), time(0), uint(4, timescale), time(duration)]);
  const entry = box("avc1", Buffer.alloc(24), uint(2, 320), uint(2, 180), Buffer.alloc(50));
  const header = (at: number) => {
    const table = box(
      "stbl",
      box("stsd", full, uint(4, 1), entry),
      box("stts", full, uint(4, 2), uint(4, 3), uint(4, 1000), uint(4, 2), uint(4, 4000)),
      box("ctts", full, uint(4, 1), uint(4, 5), uint(4, 500)),
      box("stsc", full, uint(4, 2), uint(4, 1), uint(4, 3), uint(4, 1), uint(4, 2), uint(4, 2), uint(4, 1)),
      box("stsz", full, full, uint(4, 5), ...[50, 40, 30, 20, 10].map((size) => uint(4, size))),
      box(isLong ? "co64" : "stco", full, uint(4, 2), time(at), time(at + 200)),
    );
    const edits = box(
      "elst",
      version,
      uint(4, 2),
      time(500),
      isLong ? uint(4, 0xffffffff) : Buffer.alloc(0),
      uint(4, 0xffffffff),
      uint(4, 0x10000),
      time(11_000),
      time(500),
      uint(4, 0x10000),
    );
    const track = box(
      "tkhd",
      concat([version.subarray(0, 3), Buffer.from([3])]),
      time(0),
      time(0),
      uint(4, 5),
      full,
      time(11_000),
      Buffer.alloc(16),
      matrix,
      uint(4, 320 * 65_536),
      uint(4, 180 * 65_536),
    );
    const media = box(
      "mdia",
      box("mdhd", times(1000, 11_000), full),
      box("hdlr", full, full, "vide", full),
      box("minf", table),
    );
    const chapters = box(
      "trak",
      box("tkhd", version, time(0), time(0), uint(4, 6), full, time(99_000), Buffer.alloc(60)),
      box("mdia", box("mdhd", times(1000, 99_000), full), box("hdlr", full, full, "text", full)),
    );
    return box(
      "moov",
      box("mvhd", times(1000, 11_500), Buffer.alloc(16), matrix, Buffer.alloc(28)),
      chapters,
      box("trak", track, box("edts", edits), media),
    );
  };
  return header(fileType("isom", "mp42").length + header(0).length + 8);
}
const movies = {
  "an MP4 with its header first": movie(movieHeader([film, song]), mdat),
  "an MP4 with its header last": movie(box("free", Buffer.alloc(20)), mdat, movieHeader([film, song])),
  "an MP4 with a large box of media": movie(
    concat([uint(4, 1), latin1("mdat"), uint(4, 0), uint(4, 316), Buffer.alloc(300)]),
    movieHeader([film]),
  ),
  "an MP4 whose last box has no length": movie(movieHeader([film]), concat([full, latin1("mdat"), Buffer.alloc(300)])),
  "a turned film": movie(movieHeader([{ ...film, isTurned: true, aspect: [4, 3] }]), mdat),
  "an anamorphic film": movie(movieHeader([{ ...film, coded: [720, 576], displayed: [1024, 576] }]), mdat),
  "a film that begins late": movie(
    movieHeader([
      {
        ...film,
        edits: [
          [0xffffffff, 200],
          [500, 0],
        ],
      },
      {
        ...song,
        edits: [
          [1000, 0xffffffff],
          [3000, 100],
        ],
      },
    ]),
    mdat,
  ),
  "a film of an edit list alone": movie(movieHeader([{ edits: [[2500, 0]] }]), mdat),
  "a fragmented film": live,
  "a fragmented film with a declared length": movie(
    movieHeader([{}], fragmentDefaults(box("mehd", full, uint(4, 4321)))),
    fragment(1, 5, null),
  ),
  "a fragmented film with defaults": movie(
    movieHeader([{}], fragmentDefaults(box("trex", full, uint(4, 1), uint(4, 1), uint(4, 40), full, full))),
    box(
      "moof",
      box(
        "traf",
        box("tfhd", full, uint(4, 1)),
        box("tfdt", uint(4, 0x01000000), full, uint(4, 800)),
        box("trun", uint(4, 0x301), uint(4, 2), full, uint(4, 50), uint(4, 9), uint(4, 60), uint(4, 9)),
        box("trun", uint(4, 0x805), uint(4, 2), full, full, uint(4, 20), uint(4, 0)),
      ),
    ),
    mdat,
  ),
  "a fragmented film with an index": movie(
    fragmented,
    sidx([fragment(1, 10, 0).length, 1000], [fragment(1, 9, 1000).length, 900]),
    fragment(1, 10, 0),
    fragment(1, 9, 1000),
  ),
  "a fragmented film with an index for random access": concat([indexed, mfra(tfra(1, 7000, live.length))]),
  "a film whose samples are listed": movie(listedMovie(4), mdat),
  "a film of long times": movie(listedMovie(8), mdat),
  "a segment of a film": concat([box("styp", "msdh", full), box("moof", Buffer.alloc(20)), mdat]),
  "an M4A with a cover": concat([fileType("M4A "), movieHeader([song], cover), mdat]),
  "an M4A with a picture as a track": concat([
    fileType("mp42"),
    movieHeader([song, { codec: "jpeg", samples: 1 }]),
    mdat,
  ]),
  "an M4A": concat([fileType("mp42"), movieHeader([song]), mdat]),
  "a 3GP": concat([fileType("3gp5", "isom"), movieHeader([film]), mdat]),
  "a QuickTime film": concat([fileType("qt  "), mdat, movieHeader([film])]),
};

const lastHeader = movie(box("mdat", far), movieHeader([film, song]));
const longMovies = {
  "a long MP4 with its header last": lastHeader,
  "a long MP4 behind a tag": concat([id3(300), lastHeader]),
  "a long MP4 whose samples are far": concat([fileType("isom", "mp42"), farMovie(), box("free", far), mdat]),
  "a long fragmented film": movie(fragmented, fragment(1, 10, 0), box("free", far), fragment(1, 10, 9000)),
  "a long fragmented film with an index for random access": concat([
    live,
    box("free", far),
    fragment(1, 10, 7000),
    mfra(tfra(1, 7000, live.length + far.length + 8)),
  ]),
};

/** A movie whose one chunk of samples lies behind other boxes. */
function farMovie(): Buffer {
  const header = movieHeader([{ ...film, samples: 10 }]);
  const at = header.lastIndexOf("stco");
  const offset = fileType("isom", "mp42").length + header.length + 4 + 8 + far.length + 8;
  const chunk = concat([uint(4, 1), uint(4, offset)]);
  // The chunk list has no entries in the header of the tests: it gets one, and so do the boxes around it.
  const longer = concat([header.subarray(0, at + 8), chunk, header.subarray(at + 12)]);
  for (const type of ["moov", "trak", "mdia", "minf", "stbl", "stco"]) {
    const boxAt = longer.indexOf(type) - 4;
    longer.writeUInt32BE(longer.readUInt32BE(boxAt) + 4, boxAt);
  }
  return longer;
}

export const movieFiles = { ...movies, ...longMovies };
