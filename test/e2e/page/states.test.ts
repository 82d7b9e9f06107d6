/** What the page shows while a lookup runs, after it, and of files of different kinds. */
import { existsSync, readFileSync } from "node:fs";
import type { BrowserContextOptions, Page } from "playwright-core";
import sharp from "sharp";
import { describe, expect, onTestFinished, test } from "vitest";
import { pdf } from "../../support/media-files.ts";
import { startOrigin } from "../../support/origin.ts";
import { ask, executablePath, fieldOf, openPage, startScene } from "../../support/page.ts";
import { requires } from "../../support/require.ts";
import { zip } from "../../support/zip.ts";

const picture = (background: string | object, width = 480, height = 300) =>
  sharp({ create: { width, height, channels: 4, background } })
    .png()
    .toBuffer();

const files: Readonly<Record<string, Buffer>> = {
  "/white.png": await picture("#ffffff"),
  "/tall.png": await picture("#4080c0", 100, 900),
  "/clear.png": await picture({ r: 40, g: 160, b: 90, alpha: 0.3 }),
  "/document.pdf": pdf(),
  "/files.zip": zip({ name: "a.txt", content: "a".repeat(2000) }),
};

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

describe.skipIf(requires("chromium", existsSync(executablePath)))("the page", () => {
  const scene = startScene();

  const open = (options: BrowserContextOptions = {}, path = "/") =>
    openPage(scene.browser, scene.service.url + path, options);

  /** Other paths are 404; /slow never ends. */
  const startFiles = () =>
    startOrigin(onTestFinished, ({ url = "" }, response) => {
      const file = files[url];
      if (file) response.end(file);
      else if (url === "/busy") response.writeHead(429, { "retry-after": "90" }).end();
      else if (url !== "/slow") response.writeHead(404).end();
    });

  const boxesOf = (page: Page): Promise<Box[]> =>
    page.evaluate(`[...document.querySelectorAll(".box")]
      .filter((box) => box.checkVisibility())
      .map((box) => box.getBoundingClientRect().toJSON())`);

  test("the headline of an answer has the focus, for screen readers, but no frame", async () => {
    const origin = await startFiles();
    const { page } = await open();
    await ask(page, origin.url("/white.png"));
    await page.locator("h2:focus").getByText("white.png").waitFor();
    expect(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")).toBe("none");
  });

  test("a running lookup shows its seconds and the earlier answer, and can be cancelled", async () => {
    const origin = await startFiles();
    const { page, faults } = await open();
    await page.clock.install();
    await ask(page, origin.url("/white.png"));
    await page.getByRole("heading", { name: "white.png" }).waitFor();
    await ask(page, origin.url("/slow"));
    await page.getByText("Looking up 127.0.0.1").waitFor();
    await page.clock.runFor(7000);
    expect(await page.getByRole("timer").innerText()).toBe("7 s");
    expect(await page.locator("#answer[aria-busy=true]").innerText()).toMatch(/white\.png[^]*The earlier answer/);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("Cancelled.").waitFor();
    expect(await page.locator("#answer[aria-busy=false]").innerText()).not.toContain("The earlier answer");
    expect(await page.locator(":focus").getAttribute("id")).toBe("url");
    expect(await page.getByRole("timer").isHidden()).toBe(true);
    expect(faults).toEqual([]);
  });

  test("a file without preview gets a small card with its kind, its facts and the reason", async () => {
    const origin = await startFiles();
    const { page } = await open();
    await ask(page, origin.url("/files.zip"));
    const card = page.locator("#kind");
    await card.getByText("ZIP archive").waitFor();
    expect(await card.innerText()).toMatch(/application\/zip · [\d,]+ bytes[^]*Files of this type have no preview/);
    expect((await card.boundingBox())!.height).toBeLessThan(150);
    expect(await boxesOf(page)).toEqual([]);
    expect(await fieldOf(page, "Type")).toBe("application/zip");
  });

  test.for(["light", "dark"] as const)("a white preview has an edge in the %s scheme", async (colorScheme) => {
    const origin = await startFiles();
    const { page } = await open({ colorScheme });
    await ask(page, origin.url("/white.png"));
    await page.getByRole("heading", { name: "white.png" }).waitFor();
    const [width, edge] = await page.evaluate<[string, string]>(`{
      const { borderTopWidth, borderTopColor } = getComputedStyle(document.querySelector(".box"));
      [borderTopWidth, borderTopColor];
    }`);
    const luminance = (edge.match(/\d+/g) ?? [])
      .map((channel) => (Number(channel) / 255) ** 2.2)
      .reduce((sum, channel, index) => sum + channel * [0.2126, 0.7152, 0.0722][index]!, 0);
    expect(width).toBe("1px");
    expect(1.05 / (luminance + 0.05)).toBeGreaterThan(3); // WCAG 1.4.11: contrast with white
  });

  test.for([
    ["/white.png", 4],
    ["/tall.png", 4],
    ["/document.pdf", 3],
  ] as const)("the previews of %s are %i boxes of equal shape, in one column or one line", async ([path, count]) => {
    const origin = await startFiles();
    for (const width of [390, 820, 1280]) {
      const { page } = await open({ viewport: { width, height: 800 } });
      await ask(page, origin.url(path));
      await page.locator("#answer").waitFor();
      const boxes = await boxesOf(page);
      expect(boxes).toHaveLength(count);
      expect(new Set(boxes.map((box) => `${box.width.toFixed()} x ${box.height.toFixed()}`)).size).toBe(1);
      expect(new Set(boxes.map(({ x, y }) => (width === 390 ? x : y))).size).toBe(1);
      // Each preview fills its box in one direction, within the border, and has the shape of the picture.
      const shapes = await page.evaluate<number[]>(`[...document.querySelectorAll(".box canvas, .box #thumbnail")]
        .map((preview) => preview.getBoundingClientRect())
        .map(({ width, height }) => Math.round((100 * width) / height))`);
      expect(new Set(shapes).size).toBe(1);
    }
  });

  test("the caption of a ThumbHash mentions transparency only of a transparent picture", async () => {
    const origin = await startFiles();
    const { page } = await open();
    const caption = page.locator("#thumbhash-caption");
    await ask(page, origin.url("/clear.png"));
    await caption.getByText("the checkerboard shows where the picture is transparent").waitFor();
    await ask(page, origin.url("/white.png"));
    await caption.getByText("there is none here").waitFor();
  });

  test("a copy button copies the hash, and confirms it", async () => {
    const origin = await startFiles();
    const { page } = await open({ permissions: ["clipboard-read", "clipboard-write"] });
    await ask(page, origin.url("/white.png"));
    await page.getByRole("button", { name: "Copy SHA-256" }).click();
    await page.getByRole("button", { name: "Copied SHA-256" }).waitFor();
    await page.getByRole("status").getByText("Copied: SHA-256").waitFor({ state: "attached" });
    const copied = await page.evaluate("navigator.clipboard.readText()");
    expect(copied).toMatch(/^[0-9a-f]{64}$/);
    expect(await fieldOf(page, "SHA-256")).toContain(copied);
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByRole("button", { name: "Copied" }).first().waitFor();
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe(page.url());
  });

  test("sizes and durations are exact, and short from a kilobyte or a minute", async () => {
    const { page } = await open();
    const texts =
      await page.evaluate(`import("${scene.service.url}/assets/facts.js").then(({ formatSize, formatDuration }) => [
      ...[0, 1, 999, 1000, 999_949, 999_950, 1_234_567, 5_000_000_000].map(formatSize),
      ...[810, 59_999, 75_400, 3_723_000].map(formatDuration),
    ])`);
    expect(texts).toEqual([
      "0 bytes",
      "1 byte",
      "999 bytes",
      "1,000 bytes (1.0 kB)",
      "999,949 bytes (999.9 kB)",
      "999,950 bytes (1.0 MB)",
      "1,234,567 bytes (1.2 MB)",
      "5,000,000,000 bytes (5.0 GB)",
      "0.81 s",
      "59.999 s",
      "1:15 (75.4 s)",
      "1:02:03 (3723 s)",
    ]);
  });

  test("a failure names the side that answered: the file's host or this service", async () => {
    const origin = await startFiles();
    const { page, faults } = await open();
    const alert = page.getByRole("alert");
    await ask(page, origin.url("/missing.jpg"));
    await alert.getByText("The file's host answered 404").waitFor();
    expect(await alert.innerText()).toContain("no file at this URL");
    await ask(page, origin.url("/busy"));
    await alert.getByText("The file's host answered 429").waitFor();
    expect(await alert.innerText()).toMatch(/It asks to wait for 9\d s\./); // not sooner than the host asked for
    await page.getByRole("button", { name: "An encrypted upload" }).click();
    await alert.getByText("This service answered 400; the file's host was not asked").waitFor();
    // A proxy in front of the service, whose pages are not ours.
    await page.route("**/metadata", (route) => route.fulfill({ status: 404, contentType: "text/html", body: "No" }));
    await ask(page, origin.url("/missing.jpg"));
    await alert.getByText("The service's address answered 404").waitFor();
    await page.unroute("**/metadata");
    await alert.getByRole("button", { name: "Try again" }).click();
    await alert.getByText("The file's host answered").waitFor();
    expect(faults).toEqual([]);
  });

  test("a link with a URL looks it up, and the address bar has the link of each answer", async () => {
    const origin = await startFiles();
    const linkTo = (url: string) => `${scene.service.url}/?url=${encodeURIComponent(url)}`;
    const { page, faults } = await open({}, `/?url=${encodeURIComponent(origin.url("/white.png"))}`);
    await page.getByRole("heading", { name: "white.png" }).waitFor();
    expect(await page.getByLabel("Address").inputValue()).toBe(origin.url("/white.png"));
    await ask(page, origin.url("/files.zip"));
    await page.getByRole("heading", { name: "files.zip" }).waitFor();
    expect(page.url()).toBe(linkTo(origin.url("/files.zip")));
    await ask(page, origin.url("/missing.jpg"));
    await page.getByRole("alert").getByText("answered 404").waitFor();
    expect(page.url()).toBe(linkTo(origin.url("/missing.jpg")));
    // A refused URL may hold a key or a password: it does not get into the browser's history.
    await page.getByRole("button", { name: "An encrypted upload" }).click();
    await page.getByRole("alert").getByText("encrypted").waitFor();
    expect(page.url()).toBe(`${scene.service.url}/`);
    expect(faults).toEqual([]);
  });

  test("a partial answer offers to ask again", async () => {
    const origin = await startFiles();
    const { page } = await open();
    await page.route("**/metadata", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), partial: true } });
    });
    await ask(page, origin.url("/white.png"));
    await page.getByText("these are the facts so far").waitFor();
    await page.unroute("**/metadata");
    await page.getByRole("button", { name: "Ask again" }).click();
    await page.getByText("hit, served from the cache").waitFor();
    expect(await page.getByText("these are the facts so far").isHidden()).toBe(true);
  });

  test("the footer has the version of the program and a link to the API documentation", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    const { page } = await open();
    expect(await page.locator("footer").innerText()).toContain(`media-oracle ${version}`);
    await page.getByRole("link", { name: "API documentation" }).click();
    await page.waitForURL(`${scene.service.url}/docs`);
  });
});
