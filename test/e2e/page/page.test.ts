import { existsSync } from "node:fs";
import type { BrowserContextOptions, Page } from "playwright-core";
import sharp from "sharp";
import { describe, expect, onTestFinished, test } from "vitest";
import { startOrigin } from "../../support/origin.ts";
import { ask, executablePath, fieldOf, findFlaws, openPage, startScene } from "../../support/page.ts";
import { requires } from "../../support/require.ts";
import { startService } from "../../support/service.ts";
import { zip } from "../../support/zip.ts";

const photo = await sharp({ create: { width: 640, height: 480, channels: 3, background: "#4080c0" } })
  .jpeg()
  .toBuffer();

describe.skipIf(requires("chromium", existsSync(executablePath)))("the page", () => {
  const scene = startScene();

  const open = (path = "/", options: BrowserContextOptions = {}, at = scene.service.url) =>
    openPage(scene.browser, at + path, options);

  /** Returns the RGBA colour of the middle pixel. */
  const colourOf = (page: Page, canvas: string): Promise<number[]> =>
    page.evaluate(
      `{
        const canvas = document.querySelector("${canvas}");
        [...canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data];
      }`,
    );

  test("the page shows the metadata of a URL, and previews from its hashes", async () => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(photo));
    const { page, faults } = await open();
    await ask(page, origin.url("/a/photo.jpg?x=<b>"));
    await page.getByRole("heading", { name: "photo.jpg" }).waitFor();
    expect(await fieldOf(page, "Type")).toBe("image/jpeg");
    expect(await fieldOf(page, "Size")).toContain(`${photo.byteLength.toLocaleString("en")} bytes (`);
    expect(await fieldOf(page, "Dimensions")).toBe("640 × 480 pixels");
    for (const canvas of ["#blurhash", "#thumbhash"]) {
      for (const [index, value] of (await colourOf(page, canvas)).entries()) {
        expect(Math.abs(value - [0x40, 0x80, 0xc0, 0xff][index]!)).toBeLessThan(12);
      }
    }
    const stages = await page.locator("#stages li").allInnerTexts();
    expect(stages.map((text) => text.replace(/ [\d.]+ ms$/, ""))).toEqual(["queue", "fetch", "decode", "hash"]);
    expect(await page.locator("#cache").innerText()).toContain("looked up just now");
    await ask(page, origin.url("/a/photo.jpg?x=<b>"));
    await page.getByText("hit, served from the cache").waitFor();
    expect(await page.locator("#timings").isHidden()).toBe(true);
    expect(faults).toEqual([]);
  });

  test("the page loads the picture only at a click, without a Referer", async () => {
    const referers: (string | undefined)[] = [];
    const origin = await startOrigin(onTestFinished, ({ headers }, response) => {
      referers.push(headers.referer);
      response.end(photo);
    });
    const { page, requested, faults } = await open();
    await ask(page, origin.url("/a.jpg"));
    await page.getByRole("heading", { name: "a.jpg" }).waitFor();
    expect(requested.filter((address) => !address.startsWith(scene.service.url))).toEqual([]);
    await page.getByRole("button", { name: "Load the picture itself" }).click();
    await page.getByRole("img", { name: "The picture itself" }).waitFor();
    await page.evaluate(`document.querySelector("#frame img").decode()`);
    expect(requested).toContain(origin.url("/a.jpg"));
    expect(referers).toEqual([undefined, undefined]);
    expect(faults).toEqual([]);
  });

  test("the example works without other hosts, and its tabs by keyboard", async () => {
    const { page, requested, faults } = await open();
    await page.getByRole("button", { name: "A picture" }).press("Enter");
    await page.getByRole("heading", { name: "summit.jpg" }).waitFor();
    await page.getByRole("button", { name: "Load the picture itself" }).press("Enter");
    await page.getByRole("tab", { name: "curl" }).focus();
    const panel = page.getByRole("tabpanel");
    expect(await panel.innerText()).toContain(`curl -s ${scene.service.url}/metadata`);
    await page.keyboard.press("ArrowRight");
    expect(JSON.parse(await panel.innerText())).toMatchObject({ width: 1600, height: 1000 });
    await page.keyboard.press("ArrowRight");
    expect(await panel.innerText()).not.toContain("<metadata");
    await page.keyboard.press("End");
    expect(await panel.locator("mark").allInnerTexts()).toEqual(
      expect.arrayContaining([expect.stringContaining("<width>1600</width>")]),
    );
    await page.keyboard.press("ArrowRight"); // wraps around to the first
    expect(await page.locator(":focus").innerText()).toBe("curl");
    expect(requested.filter((address) => !address.startsWith(scene.service.url))).toEqual([]);
    expect(faults).toEqual([]);
  });

  test("the page explains failures and their remedies", async () => {
    const guarded = await startService();
    onTestFinished(async () => void (await guarded.stop()));
    const { page, faults } = await open("/", {}, guarded.url);
    const alert = page.getByRole("alert");
    await page.getByRole("button", { name: "An address inside a network" }).click();
    await alert.getByText("could not be reached").waitFor();
    expect(await alert.innerText()).toContain("not public");
    await page.getByRole("button", { name: "An encrypted upload" }).click();
    await alert.getByText("encrypted").waitFor();
    expect(await page.locator("#answer").isHidden()).toBe(true);
    await guarded.stop();
    await ask(page, "https://example.org/");
    await alert.getByText("Is it running?").waitFor();
    expect(faults).toEqual([]);
  });

  test("the page asks for a required token, and does not store it", async () => {
    const origin = await startOrigin(onTestFinished, (_request, response) => response.end(photo));
    const closed = await startService({
      ALLOW_ADDRESSES: "127.0.0.0/8",
      ALLOW_PORTS: "1-65535",
      TOKENS: "open-sesame-please",
    });
    onTestFinished(async () => void (await closed.stop()));
    const { page, faults } = await open("/", {}, closed.url);
    expect(await page.getByLabel("Token").isHidden()).toBe(true);
    await ask(page, origin.url("/a.jpg"));
    await page.getByRole("alert").getByText("requires a token").waitFor();
    await page.keyboard.type("open-sesame-please"); // the token field has the focus
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "a.jpg" }).waitFor();
    expect(await page.getByRole("tabpanel").innerText()).not.toContain("open-sesame-please");
    expect(await page.evaluate("[localStorage.length, sessionStorage.length, document.cookie, location.href]")).toEqual(
      [0, 0, "", `${closed.url}/?url=${encodeURIComponent(origin.url("/a.jpg"))}`],
    );
    await page.reload(); // looks the URL of the address bar up, without the token
    await page.getByRole("alert").getByText("requires a token").waitFor();
    expect(await page.getByLabel("Address").inputValue()).toBe(origin.url("/a.jpg"));
    await page.getByLabel("Token").fill("wrong-token-of-another-service");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("does not accept the token").waitFor();
    expect(faults).toEqual([]);
  });

  test("the content security policy of the page blocks foreign scripts, styles and requests", async () => {
    const { page } = await open();
    await page.evaluate(`
      window.ran = [];
      window.forbidden = [];
      addEventListener("securitypolicyviolation", ({ effectiveDirective }) => window.forbidden.push(effectiveDirective));
      const script = document.createElement("script");
      script.textContent = "window.ran.push('script')";
      document.body.append(script);
      document.body.insertAdjacentHTML("beforeend", "<p style='color: red' onclick='window.ran.push(1)'>x</p>");
      document.body.lastElementChild.click();
      fetch("https://example.org/").catch(() => undefined);
    `);
    await page.waitForFunction("window.forbidden.length >= 4");
    expect(await page.evaluate("[window.ran, window.forbidden.sort()]")).toEqual([
      [],
      ["connect-src", "script-src-attr", "script-src-elem", "style-src-attr"],
    ]);
  });

  test.for([
    [390, "light"],
    [390, "dark"],
    [1280, "light"],
    [1280, "dark"],
  ] as const)("the page is accessible and fits at %s px in the %s scheme", async ([width, colorScheme]) => {
    const origin = await startOrigin(onTestFinished, (request, response) => {
      if (request.url === "/files.zip") response.end(zip({ name: "a.txt", content: "a" }));
      else if (request.url !== "/never.jpg") response.writeHead(404).end();
    });
    const { page, faults } = await open("/", { viewport: { width, height: 800 }, colorScheme });
    const states: readonly [name: string, reach: () => Promise<void>][] = [
      ["start", () => Promise.resolve()],
      ["picture", () => page.getByRole("button", { name: "A picture" }).click()],
      ["received", () => page.getByRole("tab", { name: "Stanza received" }).click()],
      ["busy", () => ask(page, origin.url("/never.jpg"))],
      ["file without preview", () => ask(page, origin.url("/files.zip"))],
      ["long name", () => ask(page, origin.url(`/${"long".repeat(200)}`))],
      ["failure", () => page.getByRole("button", { name: "An encrypted upload" }).click()],
    ];
    const reached: Readonly<Record<string, string>> = {
      start: "media-oracle",
      picture: "summit.jpg",
      received: "<width>1600</width>",
      busy: "The earlier answer",
      "file without preview": "ZIP archive",
      "long name": "The file's host answered 404",
      failure: "encrypted",
    };
    for (const [name, reach] of states) {
      await reach();
      await page.getByText(reached[name]!).first().waitFor();
      expect([name, await findFlaws(page)]).toEqual([name, []]);
    }
    await page.goto(`${scene.service.url}/docs`);
    await page.locator(".opblock").first().waitFor();
    await page.getByText("Describe a URL", { exact: true }).click();
    await page.getByRole("button", { name: "Try it out" }).waitFor();
    expect(await findFlaws(page, ["#api"])).toEqual([]); // swagger-ui has flaws of its own
    expect(faults).toEqual([]);
  });

  test("the API documentation works under the same policy, without other hosts", async () => {
    const { page, faults, requested } = await open("/docs");
    await page.getByText("Describe a URL", { exact: true }).click();
    await page.getByRole("button", { name: "Try it out" }).waitFor();
    expect(await page.locator(".opblock").count()).toBeGreaterThan(6);
    expect(await page.locator("html.dark-mode").count()).toBe(0);
    await page.emulateMedia({ colorScheme: "dark" });
    await page.locator("html.dark-mode").waitFor();
    await page.getByRole("link", { name: "Back to the page" }).click();
    await page.getByRole("button", { name: "Describe" }).waitFor();
    expect(
      requested.filter((address) => !address.startsWith(scene.service.url) && !address.startsWith("data:")),
    ).toEqual([]);
    expect(faults).toEqual([]);
  });
});
