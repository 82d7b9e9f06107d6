/** The web page in a real browser. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { type Service, startService } from "./service.ts";

export const executablePath = "/usr/bin/chromium";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * Starts a browser and a service that may fetch from this machine, for all tests of a `describe` block.
 *
 * @param args further arguments of the browser
 */
export function startScene(...args: readonly string[]): { readonly browser: Browser; readonly service: Service } {
  const scene = {} as { browser: Browser; service: Service };
  beforeAll(async () => {
    scene.service = await startService({ ALLOW_ADDRESSES: "127.0.0.0/8", ALLOW_PORTS: "1-65535" });
    scene.browser = await chromium.launch({ executablePath, args: ["--no-sandbox", ...args] });
  });
  afterAll(async () => {
    await scene.browser.close();
    await scene.service.stop();
  });
  return scene;
}

export interface Opened {
  readonly page: Page;
  /** Errors in the browser so far, CSP violations included. */
  readonly faults: readonly string[];
  /** URLs of all requests of the browser. */
  readonly requested: readonly string[];
}

/** Opens an address in a browser context of its own, which is closed after the test. */
export async function openPage(
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {},
  prepare: (page: Page) => Promise<void> = () => Promise.resolve(),
): Promise<Opened> {
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
  await prepare(page);
  await page.goto(address);
  return { page, faults, requested };
}

/** Enters a URL and sends the form with the Enter key. */
export async function ask(page: Page, url: string): Promise<void> {
  await page.getByLabel("Address").fill(url);
  await page.keyboard.press("Enter");
}

/** Returns a value of the list of facts. */
export const fieldOf = (page: Page, name: string) => page.locator(`dt:text-is("${name}") + dd`).innerText();

/** Returns the findings of axe-core, and whether the page is wider than the screen. */
export async function findFlaws(page: Page, excluded: readonly string[] = []): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(`
    axe.run({ exclude: ${JSON.stringify(excluded)} }).then(({ violations }) => [
      ...violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html)),
      ...(document.documentElement.scrollWidth > innerWidth ? ["wider than the screen"] : []),
    ])`);
}
