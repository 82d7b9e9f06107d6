import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { canMakeDebian13, debian13 } from "../support/debian-13.ts";
import { hasProsody } from "../support/prosody.ts";
import { requires } from "../support/require.ts";
import { openScene } from "../support/room.ts";
import { summit } from "../support/stand-in.ts";
import { oob, xml } from "../support/xmpp.ts";

const reader = readFileSync(new URL("../support/slixmpp/read_message.py", import.meta.url), "utf8");
const picture = "https://upload.example.net/a/summit.png";

const isLacking = requires("debootstrap, run as root,", canMakeDebian13());
let root: string;
beforeAll(async () => {
  if (!isLacking) root = await debian13();
}, 1_200_000);

/** Parses a message with slixmpp of Debian 13; Debian 12's does not support these XEPs yet. */
function readWithSlixmpp(message: string): unknown {
  const { status, stdout, stderr } = spawnSync("chroot", [root, "python3", "-c", reader], {
    input: message,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

describe.skipIf(isLacking)("on Debian 13", () => {
  test("the XMPP tests pass with Prosody 13", async () => {
    const child = spawn("npx", ["vitest", "run", "--project=e2e", "test/e2e/xmpp"], {
      env: { ...process.env, MEDIA_ORACLE_TEST_PROSODY_ROOT: root, MEDIA_ORACLE_TEST_STRICT: "1" },
      stdio: ["ignore", "inherit", "inherit"],
    });
    expect(await once(child, "exit")).toEqual([0, null]);
  });
});

describe.skipIf(isLacking || requires("Prosody", hasProsody()))("slixmpp", () => {
  const hash = ["sha-256", Buffer.from(summit.sha256, "hex").toString("base64")];
  const file = { "media-type": "image/png", name: "summit.png", size: 15690, width: 4096, height: 2160, hash };

  test.for<[string[], Record<string, unknown>]>([
    [["file-metadata"], { "file-metadata": { ...file, length: null } }],
    [
      ["sims"],
      {
        sims: {
          type: "data",
          "media-type": "image/png",
          name: "summit.png",
          size: 15690,
          hash,
          thumbnails: [["image/thumbhash", `data:image/thumbhash;base64,${summit.thumbhash}`, 4096, 2160]],
          source: picture,
        },
      },
    ],
    [
      ["sfs"],
      {
        sfs: {
          disposition: "",
          file: { ...file, length: null },
          source: picture,
          "fallback for": "urn:xmpp:sfs:0",
        },
      },
    ],
  ])("slixmpp parses the metadata that a room adds as %s", async ([output, parsed], { onTestFinished }) => {
    const { room, alice, bob } = await openScene(onTestFinished, undefined, {
      output,
      hosts: [new URL(picture).host],
    });
    await alice.send(xml("message", { to: room, id: "m1", type: "groupchat" }, xml("body", {}, picture), oob(picture)));
    const message = await bob.hear("m1");
    expect(readWithSlixmpp(String(message))).toEqual({ oob: picture, ...parsed });
  });
});
