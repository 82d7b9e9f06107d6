import { existsSync } from "node:fs";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { describe, expect, onTestFinished, test } from "vitest";
import { type ConverseOptions, serveConverse } from "../../support/converse.ts";
import { startOrigin } from "../../support/origin.ts";
import { hasProsody, type ProsodyOptions, startProsody } from "../../support/prosody.ts";
import { executablePath, startScene } from "../../support/page.ts";
import { requires } from "../../support/require.ts";
import { connect, metadataOf, oob, xml } from "../../support/xmpp.ts";

const photo = await sharp({ create: { width: 640, height: 400, channels: 3, background: "#4080c0" } })
  .jpeg()
  .toBuffer();

describe.skipIf(requires("Prosody and chromium", hasProsody() && existsSync(executablePath)))("Converse.js", () => {
  const scene = startScene();

  /** A room with Alice, and an origin that counts the requests of browsers. */
  async function openRoom(module: ProsodyOptions["module"] = {}) {
    let loads = 0;
    const origin = await startOrigin(onTestFinished, ({ headers }, response) => {
      if (headers["user-agent"]?.includes("Mozilla")) loads += 1;
      response.setHeader("content-type", "image/jpeg").end(photo);
    });
    const prosody = await startProsody(onTestFinished, { module: { url: `${scene.service.url}/metadata`, ...module } });
    const room = prosody.room("lounge");
    const alice = await connect(onTestFinished, prosody);
    await alice.enter(room, "alice");
    const say = (id: string, text: string, url: string) =>
      alice.send(xml("message", { to: room, id, type: "groupchat" }, xml("body", {}, text), oob(url)));
    return { prosody, room, alice, say, url: origin.url("/a/summit.jpg"), loads: () => loads };
  }

  /** Bob's browser, in the room. */
  async function enter(
    { prosody, room }: Pick<Awaited<ReturnType<typeof openRoom>>, "prosody" | "room">,
    options: Partial<ConverseOptions> = {},
  ) {
    const url = await serveConverse(onTestFinished, prosody, { room, nick: "bob", hasPlugin: true, ...options });
    const context = await scene.browser.newContext({ viewport: { width: 900, height: 700 } });
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const faults: string[] = [];
    page.on("pageerror", ({ message }) => faults.push(message));
    await page.goto(url);
    await page.getByText("bob has entered the groupchat").waitFor();
    return { page, faults };
  }

  const previewIn = (page: Page) => page.locator("media-metadata-preview");
  const heightOf = async (page: Page) => (await previewIn(page).boundingBox())!.height;

  test("a posted picture has a preview in its shape, and is loaded only by a click", async () => {
    const room = await openRoom();
    const { page, faults } = await enter(room);
    await room.say("m1", room.url, room.url);
    const button = previewIn(page).getByRole("button", { name: "Load summit.jpg, image/jpeg" });
    await button.waitFor();
    const { width, height } = (await button.boundingBox())!;
    expect(width / height).toBeCloseTo(640 / 400, 1);
    expect(await button.locator("canvas").count()).toBe(1);
    expect(await previewIn(page).locator("figcaption").innerText()).toContain("640 × 400");
    expect(room.loads()).toBe(0);
    const before = await heightOf(page);
    await button.click();
    const image = previewIn(page).locator("img");
    await expect.poll(() => image.evaluate(({ naturalWidth }: { naturalWidth: number }) => naturalWidth)).toBe(640);
    expect(room.loads()).toBe(1);
    expect(await heightOf(page)).toBe(before);
    expect(faults).toEqual([]);
  });

  test("a posted picture in the archive has a preview, and is loaded only by a click", async () => {
    const room = await openRoom();
    await room.say("m1", room.url, room.url);
    await room.alice.hear("m1");
    const { page } = await enter(room);
    await previewIn(page).getByRole("button").waitFor();
    expect(room.loads()).toBe(0);
    await previewIn(page).getByRole("button").click();
    await expect.poll(room.loads).toBe(1);
  });

  test("a preview is loaded by the keyboard, and keeps the focus", async () => {
    const room = await openRoom();
    const { page } = await enter(room);
    await room.say("m1", room.url, room.url);
    await previewIn(page).getByRole("button").focus();
    await page.keyboard.press("Enter");
    await expect.poll(room.loads).toBe(1);
    expect(await previewIn(page).locator("div.box:focus").count()).toBe(1);
  });

  test("a picture behind a text has one preview, and the text keeps its link", async () => {
    const room = await openRoom();
    const { page } = await enter(room);
    await room.say("m1", `see ${room.url} please`, room.url);
    await previewIn(page).getByRole("button").waitFor();
    expect(await previewIn(page).count()).toBe(1);
    expect(await page.locator("converse-chat-message-body a").getAttribute("href")).toBe(room.url);
    expect(room.loads()).toBe(0);
  });

  test("a picture of a host in media_metadata_load_from is loaded without a click", async () => {
    const room = await openRoom();
    const { page } = await enter(room, { settings: { media_metadata_load_from: ["127.0.0.1"] } });
    await room.say("m1", room.url, room.url);
    await previewIn(page).locator("img").waitFor();
    await expect.poll(room.loads).toBe(1);
  });

  test("a message without metadata is shown as without the plugin", async () => {
    const room = await openRoom({ url: "http://127.0.0.1:9/metadata" });
    const { page } = await enter(room);
    await room.say("m1", room.url, room.url);
    await page.locator(`converse-chat-message-body img[src="${room.url}"]`).waitFor();
    expect(await previewIn(page).count()).toBe(0);
  });

  test("sizes that no screen has keep a preview within the message", async () => {
    const { page } = await enter(await openRoom());
    const boxes = await page.evaluate<{ width: number; height: number }[]>(`
      [[1, 2 ** 31 - 1], [2 ** 31 - 1, 1], [1, 1], [null, null]].map(([width, height]) => {
        const preview = document.createElement("media-metadata-preview");
        preview.media = { url: "https://a.example/b.png", type: "image/png", bytes: 1, width, height, blurhash: null };
        document.querySelector("converse-muc-chatarea").append(preview);
        const box = preview.shadowRoot.querySelector("button").getBoundingClientRect();
        return { width: box.width, height: box.height };
      })`);
    for (const { width, height } of boxes) {
      expect(Math.min(width, height)).toBeGreaterThan(20);
      expect(Math.max(width, height)).toBeLessThan(700);
    }
  });

  test("the default outputs change nothing in a Converse without the plugin", async () => {
    const shown = async (module: ProsodyOptions["module"]) => {
      const room = await openRoom(module);
      const { page } = await enter(room, { hasPlugin: false });
      await room.say("m1", room.url, room.url);
      await room.say("m2", `grüße 🙂 ${room.url}`, room.url);
      const hasMetadata = metadataOf(await room.alice.hear("m2"))[0] !== null;
      const pictures = page.locator(`.chat-msg img[src="${room.url}"]`);
      await expect.poll(() => pictures.count()).toBe(3);
      const texts = await page.locator("converse-chat-message-body").allInnerTexts();
      const sizes = await pictures.evaluateAll((images) =>
        images.map((image) => (image as unknown as { clientWidth: number }).clientWidth),
      );
      return { hasMetadata, shown: { texts: texts.map((text) => text.replaceAll(room.url, "URL")), sizes } };
    };
    const [annotated, plain] = [await shown({}), await shown({ url: "http://127.0.0.1:9/metadata" })];
    expect([annotated.hasMetadata, plain.hasMetadata]).toEqual([true, false]);
    expect(annotated.shown).toEqual(plain.shown);
  });
});
