import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { freePort, hasProsody, type Prosody, startProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { startService } from "../../support/service.ts";
import { startStandIn, summitElement } from "../../support/stand-in.ts";
import { connect, metadataOf, type Person, xml } from "../../support/xmpp.ts";

const photo = await sharp({ create: { width: 640, height: 480, channels: 3, background: "#4080c0" } })
  .jpeg()
  .toBuffer();

const upload = "urn:xmpp:http:upload:0";

/** Uploads like a client (XEP-0363): requests a slot, then fills it. Returns the URL for recipients. */
async function uploadPhoto(person: Person, prosody: Prosody): Promise<string> {
  const wanted = { xmlns: upload, filename: "a photo.jpg", size: String(photo.length), "content-type": "image/jpeg" };
  const answer = await person.ask(`upload.${prosody.domain}`, xml("request", wanted));
  const slot = answer.getChild("slot", upload)!;
  const put = slot.getChild("put")!;
  const url = new URL(put.attrs.url!);
  const headers = Object.fromEntries(put.getChildren("header").map((header) => [header.attrs.name!, header.text()]));
  // DNS does not have its name: connect to its address, and send the name as Host.
  const sent = request({
    port: prosody.httpPort,
    path: url.pathname,
    method: "PUT",
    headers: { ...headers, host: url.host },
  });
  sent.end(photo);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  expect(response.statusCode).toBe(201);
  return slot.getChild("get")!.attrs.url!;
}

describe.skipIf(requires("Prosody", hasProsody()))("a picture on the server's own upload host", () => {
  test("a picture on the upload host is looked up if the oracle rewrites that host, and other hosts are not", async ({
    onTestFinished,
  }) => {
    // Each must know the other's address before it starts.
    const prosodyPort = await freePort();
    const oracle = await startService({
      REWRITES: `http://upload.localhost:${prosodyPort}/=>http://127.0.0.1:${prosodyPort}/`,
    });
    onTestFinished(async () => void (await oracle.stop()));
    const prosody = await startProsody(onTestFinished, {
      module: { url: `${oracle.url}/metadata`, timeout: 5, scope: "local-uploads" },
      hasUploads: true,
      httpPort: prosodyPort,
    });
    const alice = await connect(onTestFinished, prosody);
    const room = prosody.room("lounge");
    await alice.enter(room, "alice");
    const url = await uploadPhoto(alice, prosody);
    expect(url).toContain(`//upload.localhost:${prosodyPort}/`);
    await alice.say(room, "m1", url);
    const message = await alice.hear("m1");
    expect(metadataOf(message)).toMatchObject([
      { bytes: String(photo.length), type: "image/jpeg", width: "640", height: "480" },
    ]);
    expect(message.getChild("file", "urn:xmpp:file:metadata:0")?.getChildText("name")).toBe("a photo.jpg");
  });

  test("only URLs on the upload host are looked up, not on other hosts or ports", async ({ onTestFinished }) => {
    const oracle = await startStandIn(onTestFinished);
    const prosody = await startProsody(onTestFinished, {
      module: { url: oracle.endpoint, scope: "local-uploads", max_urls: 8 },
      hasUploads: true,
    });
    const alice = await connect(onTestFinished, prosody);
    const room = prosody.room("lounge");
    await alice.enter(room, "alice");
    const own = `http://upload.localhost:${prosody.httpPort}/file_share/x/a.png`;
    const others = [
      "https://upload.example.net/a.png",
      "http://localhost/a.png",
      `http://rooms.localhost:${prosody.httpPort}/file_share/x/a.png`,
      "http://upload.localhost:9/file_share/x/a.png",
      `http://upload.localhost:${prosody.httpPort}@evil.example.net/a.png`,
    ];
    await alice.say(room, "m1", own, ...others);
    expect(metadataOf(await alice.hear("m1"))).toEqual([summitElement, ...others.map(() => null)]);
    expect(oracle.urls()).toEqual([own]);
  });

  test("the upload host is looked up in addition to the configured hosts", async ({ onTestFinished }) => {
    const oracle = await startStandIn(onTestFinished);
    const prosody = await startProsody(onTestFinished, {
      module: { url: oracle.endpoint, scope: "local-uploads", hosts: ["media.example.net"] },
      hasUploads: true,
    });
    const alice = await connect(onTestFinished, prosody);
    const room = prosody.room("lounge");
    await alice.enter(room, "alice");
    const own = `http://UPLOAD.localhost:${prosody.httpPort}/file_share/x/a.png`;
    await alice.say(room, "m1", own, "https://media.example.net/a.png", "https://elsewhere.example.net/a.png");
    expect(metadataOf(await alice.hear("m1"))).toEqual([summitElement, summitElement, null]);
  });
});
