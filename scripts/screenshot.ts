/** `npm run screenshot`: takes the screenshot of the page for the README, with Debian's chromium. */
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import sharp from "sharp";
import { startService } from "../test/support/service.ts";

const file = fileURLToPath(new URL("../docs/page.png", import.meta.url));
const service = await startService();
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  const page = await browser.newPage({ viewport: { width: 960, height: 900 } });
  await page.goto(service.url);
  await page.getByRole("button", { name: "A picture" }).click();
  await page.getByRole("button", { name: "Load the picture itself" }).click();
  await page.getByRole("tab", { name: "Stanza received" }).click();
  await page.waitForLoadState("networkidle");
  const screenshot = await page.screenshot({ fullPage: true });
  await sharp(screenshot).png({ palette: true, effort: 10 }).toFile(file);
} finally {
  await browser.close();
  await service.stop();
}
