/** Tests with a real browser that pages of other origins cannot use a service without tokens on the same machine. */
import { existsSync } from "node:fs";
import type { Page } from "playwright-core";
import { describe, expect, onTestFinished, test } from "vitest";
import { askMetadata } from "../../support/contract.ts";
import { photo } from "../../support/images.ts";
import { type Origin, startOrigin } from "../../support/origin.ts";
import { executablePath, startScene } from "../../support/page.ts";
import { requires } from "../../support/require.ts";

const picture = await photo(64, 48).png().toBuffer();

// DNS rebinding: an attacker's name that resolves to this machine.
const reboundName = "rebind.example";

/** Sends the requests that a script can send with `fetch`; returns the readable statuses, 0 for an opaque response. */
const fetchAll = (service: string, known: string, fresh: string): string => `
  (async () => {
    const post = (path, body) =>
      ({ path, method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    const known = ${JSON.stringify(known)};
    const fresh = ${JSON.stringify(fresh)};
    const statuses = [];
    for (const { path, ...init } of [
      { path: "/metadata?url=" + encodeURIComponent(known) },
      post("/metadata", { url: known }),
      post("/metadata", { url: fresh }),
      post("/metadata/batch", { urls: [fresh] }),
      { path: "/metrics" },
      { path: "/version" },
      { path: "/metadata?url=" + encodeURIComponent(known), method: "DELETE" },
    ]) {
      statuses.push(await fetch(${JSON.stringify(service)} + path, init).then(({ status }) => status, () => 0));
    }
    return statuses;
  })()`;

/** Sends the requests that a page can send without reading the response: opaque ones, an image, a script, a frame. */
const embedAll = (address: string): string => `
  (async () => {
    const address = ${JSON.stringify(address)};
    await fetch(address, { mode: "no-cors" }).catch(() => null);
    for (const name of ["img", "script", "iframe"]) {
      const element = Object.assign(document.createElement(name), { src: address });
      const ended = new Promise((resolve) => (element.onload = element.onerror = resolve));
      document.body.append(element);
      await ended;
    }
  })()`;

describe.skipIf(requires("chromium", existsSync(executablePath)))("without tokens", () => {
  const scene = startScene(`--host-resolver-rules=MAP ${reboundName} 127.0.0.1`);

  async function open(address: string): Promise<Page> {
    const context = await scene.browser.newContext();
    onTestFinished(() => context.close());
    const page = await context.newPage();
    await page.goto(address);
    return page;
  }

  /** Pictures on a host, one of which the service has described. */
  async function startPictures(): Promise<{ origin: Origin; known: string; fresh: string; asked: string[] }> {
    const asked: string[] = [];
    const origin = await startOrigin(onTestFinished, ({ url = "" }, response) => {
      asked.push(url);
      response.end(picture);
    });
    const [known, fresh] = [origin.url("/known.png"), origin.url("/fresh.png")];
    await askMetadata(scene.service.url, { url: known });
    return { origin, known, fresh, asked };
  }

  async function cacheStatusOf(url: string): Promise<string | null> {
    return (await askMetadata(scene.service.url, { url })).headers.get("cache-status");
  }

  const openForeignPage = async () => {
    const site = await startOrigin(onTestFinished, (_request, response) => {
      response.writeHead(200, { "content-type": "text/html" });
      response.end(`<!doctype html><a id="page" href="${scene.service.url}/">page</a>`);
    });
    return open(site.url("/"));
  };

  const portOf = () => new URL(scene.service.url).port;

  test.for(["127.0.0.1", "localhost"])("the service's own page at %s may send all requests", async (name) => {
    const { known, fresh, asked } = await startPictures();
    const page = await open(`http://${name}:${portOf()}/`);
    expect(await page.evaluate(fetchAll("", known, fresh))).toEqual([200, 200, 200, 200, 200, 200, 204]);
    expect(asked).toEqual(["/known.png", "/fresh.png"]);
    expect(await cacheStatusOf(known)).toBe("media-oracle; fwd=miss");
  });

  test("a page at another port of the same machine reads, starts and deletes nothing", async () => {
    const { known, fresh, asked } = await startPictures();
    const page = await openForeignPage();
    expect(await page.evaluate(fetchAll(scene.service.url, known, fresh))).toEqual(Array(7).fill(0));
    await page.evaluate(embedAll(`${scene.service.url}/metadata?url=${encodeURIComponent(fresh)}`));
    expect(asked).toEqual(["/known.png"]);
    expect(await cacheStatusOf(known)).toBe("media-oracle; hit");
  });

  test("a link on another website leads to the page, but starts no lookup", async () => {
    const { fresh, asked } = await startPictures();
    const page = await openForeignPage();
    await page.locator("#page").click();
    await page.getByRole("button", { name: "Describe" }).waitFor();
    const other = await openForeignPage();
    const answered = other.waitForResponse(/\/metadata/);
    await other.evaluate(
      `location.href = ${JSON.stringify(`${scene.service.url}/metadata?url=${encodeURIComponent(fresh)}`)}`,
    );
    expect((await answered).status()).toBe(403);
    expect(asked).toEqual(["/known.png"]);
  });

  test("a link on another website to an answer fills the form, and looks up only at a click", async () => {
    const { fresh, asked } = await startPictures();
    const page = await openForeignPage();
    await page.evaluate(`location.href = ${JSON.stringify(`${scene.service.url}/?url=${encodeURIComponent(fresh)}`)}`);
    await page.getByText("Nothing was looked up yet").waitFor();
    expect(await page.getByLabel("Address").inputValue()).toBe(fresh);
    expect(asked).toEqual(["/known.png"]);
    await page.keyboard.press("Enter"); // the button has the focus
    await page.getByRole("heading", { name: "fresh.png" }).waitFor();
    expect(asked).toEqual(["/known.png", "/fresh.png"]);
  });

  test("a page whose name was rebound to this machine reads, starts and deletes nothing", async () => {
    const { known, fresh, asked } = await startPictures();
    // /healthz needs no token, so this document has the same origin as the attacker's page.
    const page = await open(`http://${reboundName}:${portOf()}/healthz`);
    expect(await page.evaluate(fetchAll("", known, fresh))).toEqual(Array(7).fill(403));
    expect(asked).toEqual(["/known.png"]);
    expect(await cacheStatusOf(known)).toBe("media-oracle; hit");
    expect((await page.goto(`http://${reboundName}:${portOf()}/`))!.status()).toBe(403);
  });

  test("“Try it out” in the documentation gets a response", async () => {
    const page = await open(`${scene.service.url}/docs`);
    await page.getByText("Versions, commit and enabled formats").click();
    await page.getByRole("button", { name: "Try it out" }).click();
    const answered = page.waitForResponse(/\/version$/);
    await page.getByRole("button", { name: "Execute" }).click();
    expect((await answered).status()).toBe(200);
  });
});
