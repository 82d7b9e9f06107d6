import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startOrigin } from "../../support/origin.ts";
import { requires } from "../../support/require.ts";
import { type Service, startService } from "../../support/service.ts";

const executablePath = "/usr/bin/chromium";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const photo = await sharp({ create: { width: 640, height: 480, channels: 3, background: "#4080c0" } })
  .jpeg()
  .toBuffer();

interface Opened {
  readonly page: Page;
  /** Errors in the browser so far, CSP violations included. */
  readonly faults: readonly string[];
  /** URLs of all requests of the browser. */
  readonly requested: readonly string[];
}

describe.skipIf(requires("chromium", existsSync(executablePath)))("the page", () => {
  let browser: Browser;
  let service: Service;

  beforeAll(async () => {
    service = await startService({ ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535" });
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  });

  afterAll(async () => {
    await browser.close();
    await service.stop();
  });

  async function open(path = "/", options: BrowserContextOptions = {}, at = service.url): Promise<Opened> {
    const context = await browser.newContext(options);
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const [faults, requested]: [string[], string[]] = [[], []];
    page.on("request", (request) => requested.push(request.url()));
    page.on("pageerror", ({ message }) => faults.push(message));
    // The browser logs each response with an error status itself.
    page.on("console", (message) => {
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
        faults.push(message.text());
    });
    await page.goto(at + path);
    return { page, faults, requested };
  }

  async function ask(page: Page, url: string): Promise<void> {
    await page.getByLabel("Address").fill(url);
    await page.getByRole("button", { name: "Describe" }).click();
  }

  const fieldOf = (page: Page, name: string) => page.locator(`dt:text-is("${name}") + dd`).innerText();

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
    expect(await fieldOf(page, "Size")).toContain(`(${photo.byteLength} bytes, counted)`);
    expect(await fieldOf(page, "Pixels")).toBe("640 × 480");
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
    expect(requested.filter((address) => !address.startsWith(service.url))).toEqual([]);
    await page.getByRole("button", { name: "Load the picture itself" }).click();
    await page.getByRole("img", { name: "The picture itself" }).waitFor();
    await page.evaluate(`document.querySelector("figure img").decode()`);
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
    expect(await panel.innerText()).toContain(`curl -s ${service.url}/metadata`);
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
    expect(requested.filter((address) => !address.startsWith(service.url))).toEqual([]);
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
    await page.getByRole("alert").getByText("token is required").waitFor();
    await page.keyboard.type("open-sesame-please"); // the token field has the focus
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "a.jpg" }).waitFor();
    expect(await page.getByRole("tabpanel").innerText()).not.toContain("open-sesame-please");
    expect(await page.evaluate("[localStorage.length, sessionStorage.length, document.cookie, location.href]")).toEqual(
      [0, 0, "", `${closed.url}/`],
    );
    await page.reload();
    await ask(page, origin.url("/a.jpg"));
    await page.getByRole("alert").getByText("token is required").waitFor();
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

  test.each([
    ["a phone in dark mode", { viewport: { width: 360, height: 740 }, colorScheme: "dark" }],
    ["a tablet", { viewport: { width: 820, height: 1180 }, colorScheme: "light" }],
    ["a desktop", { viewport: { width: 1440, height: 900 }, colorScheme: "light" }],
  ] as const)("the page is accessible and fits on %s", async (_name, options) => {
    const { page, faults } = await open("/", options);
    const check = async () => {
      await page.evaluate(axe);
      const violations: unknown = await page.evaluate(
        "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`))",
      );
      expect(violations).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    };
    await check();
    await page.getByRole("button", { name: "A picture" }).click();
    await page.getByRole("heading", { name: "summit.jpg" }).waitFor();
    await page.getByRole("tab", { name: "Stanza as received" }).click();
    await check();
    await page.getByRole("button", { name: "An encrypted upload" }).click();
    await page.getByRole("alert").getByText("encrypted").waitFor();
    await check();
    expect(faults).toEqual([]);
  });

  test("the API documentation works under the same policy, without other hosts", async () => {
    const { page, faults, requested } = await open("/docs");
    await page.getByText("Describe a URL", { exact: true }).click();
    await page.getByRole("button", { name: "Try it out" }).waitFor();
    expect(await page.locator(".opblock").count()).toBeGreaterThan(6);
    expect(requested.filter((address) => !address.startsWith(service.url) && !address.startsWith("data:"))).toEqual([]);
    expect(faults).toEqual([]);
  });
});
