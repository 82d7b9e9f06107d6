import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pngChunk } from "../../support/bombs.ts";
import { photo } from "../../support/images.ts";
import { makeCertificates, type Origin, startOrigin, startTlsOrigin } from "../../support/origin.ts";
import { hasProsody, moduleMetric, type Prosody, startProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { startService } from "../../support/service.ts";
import { connect, metadataOf } from "../../support/xmpp.ts";

/** 1024 icon entries share one PNG, full of empty chunks (64 kB): four million chunks for a naive parser. */
function icoOfEmptyChunks(): Buffer {
  const entries = 1024;
  const directory = Buffer.alloc(6 + 16 * entries);
  const header = pngChunk("IHDR", Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 0x1a, 10]);
  const empty = pngChunk("teXt", Buffer.alloc(0));
  const room = 65_536 - directory.length - signature.length - header.length;
  const chunks = Array<Buffer>(Math.floor(room / empty.length)).fill(empty);
  const png = Buffer.concat([signature, header, ...chunks]);
  directory.set([0, 0, 1, 0]); // ICONDIR
  directory.writeUInt16LE(entries, 4);
  for (let at = 6; at < directory.length; at += 16) {
    directory.writeUInt32LE(png.length, at + 8);
    directory.writeUInt32LE(directory.length, at + 12);
  }
  return Buffer.concat([directory, png]);
}

/** 72 bytes: width and height are LONG8 (BigTIFF), and 2^63. */
function bigTiffOfHugeSides(): Buffer {
  const file = Buffer.alloc(72);
  file.write("II");
  file.writeUInt16LE(43, 2); // BigTIFF
  file.writeUInt16LE(8, 4); // bytes of an offset
  file.writeBigUInt64LE(16n, 8);
  file.writeBigUInt64LE(2n, 16); // entries
  for (const [at, tag] of [
    [24, 256], // ImageWidth
    [44, 257], // ImageLength
  ] as const) {
    file.writeUInt16LE(tag, at);
    file.writeUInt16LE(16, at + 2); // LONG8
    file.writeBigUInt64LE(1n, at + 4);
    file.writeBigUInt64LE(2n ** 63n, at + 12);
  }
  return file;
}

function qoiOfHugeSides(): Buffer {
  return Buffer.concat([Buffer.from("qoif"), Buffer.alloc(8, 0xff), Buffer.from([4, 0])]);
}

const picture = await photo(640, 480).jpeg().toBuffer();
const bodies: Readonly<Record<string, Buffer>> = {
  ico: icoOfEmptyChunks(),
  tiff: bigTiffOfHugeSides(),
  qoi: qoiOfHugeSides(),
  jpg: picture,
};

const urlsPerMessage = 4; // the module's default

interface Attack {
  /** Number of hostile URLs. */
  readonly count: number;
  readonly bombUrl: (at: number) => string;
  /** Path to URL: on the host that the other sender's last picture is on, if it is not the usual one. */
  readonly pictureUrl?: (path: string) => string;
}

describe.skipIf(requires("Prosody", hasProsody()))(
  "a room with the real service and a sender with hostile files",
  () => {
    let prosody: Prosody;
    let origin: Origin;
    let tlsOrigin: Origin;

    // Not `afterAll` within `beforeAll`: Vitest ignores it.
    const cleanUps: (() => void | Promise<void>)[] = [];
    afterAll(async () => {
      for (const cleanUp of cleanUps.toReversed()) await cleanUp();
    });

    beforeAll(async () => {
      const onFinished = (cleanUp: () => void | Promise<void>): void => void cleanUps.push(cleanUp);
      const folder = mkdtempSync(join(tmpdir(), "media-oracle-severe-"));
      onFinished(() => rmSync(folder, { recursive: true }));
      const { ca, good } = makeCertificates();
      writeFileSync(join(folder, "ca.pem"), ca);
      origin = await startOrigin(
        onFinished,
        ({ url = "" }, response) => void response.end(bodies[url.replace(/.*\./, "")]),
      );
      tlsOrigin = await startTlsOrigin(onFinished, good, (_request, response) => void response.end(picture));
      const addresses = [origin, tlsOrigin].map(({ port }) => `127.0.0.1/32:${port}`);
      const service = await startService(
        { ALLOW_ADDRESSES: addresses.join(",") },
        { NODE_EXTRA_CA_CERTS: join(folder, "ca.pem") },
      );
      onFinished(async () => void (await service.stop()));
      prosody = await startProsody(onFinished, { module: { url: `${service.url}/metadata` } });
    });

    // The case that keeps a vulnerable service busy for the longest time is the last: the others must not depend on it.
    test.for<[string, Attack]>([
      ["six BigTIFF files with 64-bit sides", { count: 6, bombUrl: (at) => origin.url(`/${at}.tiff`) }],
      ["six QOI files with sides of 2^32 - 1", { count: 6, bombUrl: (at) => origin.url(`/${at}.qoi`) }],
      [
        "ten http URLs of the port of an https host",
        {
          count: 10,
          bombUrl: (at) => tlsOrigin.url(`/${at}`).replace("https:", "http:"),
          pictureUrl: (path) => tlsOrigin.url(path),
        },
      ],
      ["four icons of 1024 pictures of 4000 chunks", { count: 4, bombUrl: (at) => origin.url(`/${at}.ico`) }],
    ])("another sender's picture is annotated during and after %s", async ([name, attack], { onTestFinished }) => {
      const slug = name.replaceAll(/\W+/g, "-").toLowerCase();
      const { count, bombUrl, pictureUrl = (path) => origin.url(path) } = attack;
      const room = prosody.room(slug);
      const [mallory, bob] = await Promise.all([connect(onTestFinished, prosody), connect(onTestFinished, prosody)]);
      await mallory.enter(room, "mallory");
      await bob.enter(room, "bob");
      const connectionsBefore = origin.connections + tlsOrigin.connections;
      const bombs = Array.from({ length: count }, (_, at) => bombUrl(at));
      for (let at = 0; at < count; at += urlsPerMessage) {
        await mallory.say(room, `bombs${at}`, ...bombs.slice(at, at + urlsPerMessage));
      }
      while (origin.connections + tlsOrigin.connections === connectionsBefore) await setTimeout(5);
      await bob.say(room, "during", origin.url(`/${slug}-during.jpg`));
      for (let at = 0; at < count; at += urlsPerMessage) await bob.hear(`bombs${at}`);
      await bob.say(room, "after", pictureUrl(`/${slug}-after.jpg`));
      for (const id of ["during", "after"]) {
        const [metadata] = metadataOf(await mallory.hear(id));
        expect([id, metadata]).toEqual([id, expect.objectContaining({ type: "image/jpeg", width: "640" })]);
      }
      expect(await moduleMetric(prosody, "breaker_open")).toBe(0);
      expect(prosody.errors()).toEqual([]);
    });
  },
);
