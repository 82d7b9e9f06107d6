import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { startOrigin } from "../../support/origin.ts";
import { hasProsody, type OnFinished, startProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { startService } from "../../support/service.ts";
import { archiveOf, connect, metadataOf, type Person } from "../../support/xmpp.ts";

const photo = await sharp({ create: { width: 640, height: 480, channels: 3, background: "#4080c0" } })
  .jpeg()
  .toBuffer();
const photoElement = {
  bytes: String(photo.byteLength),
  type: "image/jpeg",
  blurhash: expect.stringMatching(/^.{28}$/) as string,
  width: "640",
  height: "480",
};

/** Starts the built oracle, which may fetch from these ports of this machine, and a room with one occupant. */
async function openRoom(onFinished: OnFinished, ports: readonly number[]): Promise<{ room: string; alice: Person }> {
  const oracle = await startService({
    ALLOW_ADDRESSES: ports.map((port) => `127.0.0.1/32:${port}`).join(","),
    TOKENS: "s3cret-of-a-test",
  });
  onFinished(async () => void (await oracle.stop()));
  const prosody = await startProsody(onFinished, {
    module: { url: `${oracle.url}/metadata`, token: "s3cret-of-a-test", timeout: 5 },
  });
  const room = prosody.room("lounge");
  const alice = await connect(onFinished, prosody);
  await alice.enter(room, "alice");
  return { room, alice };
}

describe.skipIf(requires("Prosody", hasProsody()))("the room, the oracle and a media host together", () => {
  test("fault 9: a redirect is followed, and a cached URL is not fetched again", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (request, response) => {
      if (request.url === "/old.jpg") response.writeHead(301, { location: "/new.jpg" }).end();
      else response.writeHead(200, { "content-type": "image/jpeg" }).end(photo);
    });
    const { room, alice } = await openRoom(onTestFinished, [origin.port]);
    await alice.say(room, "m1", origin.url("/old.jpg"));
    expect(metadataOf(await alice.hear("m1"))).toEqual([photoElement]);
    expect(origin.requests).toBe(2);
    await alice.say(room, "m2", origin.url("/old.jpg"));
    expect(metadataOf(await alice.hear("m2"))).toEqual([photoElement]);
    expect(origin.requests).toBe(2);
  });

  test("fault 9: no connection is opened to an address that is not public, not even after a redirect", async ({
    onTestFinished,
  }) => {
    const inside = await startOrigin(onTestFinished, (_request, response) => void response.end(photo));
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(302, { location: inside.url("/secret") }).end();
    });
    const { room, alice } = await openRoom(onTestFinished, [origin.port]);
    await alice.say(room, "m1", inside.url("/secret"), origin.url("/redirect"));
    expect(metadataOf(await alice.hear("m1"))).toEqual([null, null]);
    expect(origin.requests).toBe(1);
    expect(inside.connections).toBe(0);
  });

  test("the room gets the metadata from the head of a slow picture in time", async ({ onTestFinished }) => {
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(200, { "content-type": "image/jpeg", "content-length": photo.byteLength });
      response.write(photo.subarray(0, photo.byteLength - 100));
    });
    const { room, alice } = await openRoom(onTestFinished, [origin.port]);
    await alice.say(room, "m1", origin.url("/slow.jpg"));
    const [metadata] = metadataOf(await alice.hear("m1"));
    expect(metadata).toMatchObject({ bytes: String(photo.byteLength), type: "image/jpeg" });
    expect(metadata).not.toHaveProperty("blurhash");
  });

  test("the archive gets the preview of a slow picture once all of it is there", async ({ onTestFinished }) => {
    let finish = (): void => undefined;
    const origin = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(200, { "content-type": "image/jpeg", "content-length": photo.byteLength });
      response.write(photo.subarray(0, photo.byteLength - 100));
      finish = () => void response.end(photo.subarray(photo.byteLength - 100));
    });
    const { room, alice } = await openRoom(onTestFinished, [origin.port]);
    await alice.say(room, "m1", origin.url("/slow.jpg"));
    expect(metadataOf(await alice.hear("m1"))[0]).not.toHaveProperty("blurhash");
    finish();
    await expect.poll(async () => metadataOf((await archiveOf(alice, room))[0]!)).toEqual([photoElement]);
    expect(origin.requests).toBe(1);
  });
});
