import { explainCacheStatus, formatBytes } from "./client/words.js";
import { createElement, findElement } from "./dom.js";
import { warnings } from "./domain/metadata.js";
import { showCodeTabs } from "./code-tabs.js";
import { decode } from "./vendor/blurhash.js";
import { thumbHashToRGBA } from "./vendor/thumbhash.js";

/** @typedef {import("./client/client.js").Answer} Answer */
/** @typedef {import("./client/client.js").Metadata} Metadata */

/**
 * Shows an answer.
 *
 * @param {Answer} answer
 * @param {string} pictureUrl loaded only at the click of a button
 * @param {string} note empty for none
 * @param {boolean} needsToken whether the curl example has a token
 */
export function showAnswer(answer, pictureUrl, note, needsToken) {
  const { metadata } = answer;
  findElement("answer").hidden = false;
  findElement("answer-title").textContent = metadata.filename ?? metadata.url;
  findElement("note").hidden = note === "";
  findElement("note").textContent = note;
  renderFields(metadata);
  renderPreviews(metadata);
  renderPicture(metadata.type, pictureUrl);
  renderTimings(answer);
  showCodeTabs(metadata, needsToken);
  findElement("answer-title").focus();
}

/** @param {Metadata} metadata */
function renderFields(metadata) {
  const { bytes, bytesSource, type, animated, width, height, durationMs } = metadata;
  /** @type {Record<string, string | null>} */
  const fields = {
    Type: animated ? `${type}, animated` : type,
    Size:
      bytes === null
        ? null
        : `${formatBytes(bytes)} (${bytes} bytes, ${bytesSource === "counted" ? "counted" : "declared by the host"})`,
    Pixels: width === null || height === null ? null : `${width} × ${height}`,
    Duration: durationMs === null ? null : `${durationMs / 1000} s`,
    BlurHash: metadata.blurhash,
    ThumbHash: metadata.thumbhash,
    "SHA-256": metadata.sha256,
    Partial: metadata.partial ? "The deadline has passed: ask again for the other facts." : null,
    Warnings: metadata.warnings.map((code) => `${code}: ${warnings[code]}`).join("; ") || null,
  };
  findElement("fields").replaceChildren(
    ...Object.entries(fields).flatMap(([name, value]) =>
      value === null ? [] : [createElement("dt", name), createElement("dd", value)],
    ),
  );
}

/** @param {Metadata} metadata */
function renderPreviews({ blurhash, thumbhash, thumbnail, width, height }) {
  const aspect = (width ?? 1) / (height ?? 1);
  const columns = 64;
  const rows = Math.max(1, Math.min(256, Math.round(columns / aspect)));
  const blurRaster = blurhash === null ? null : { w: columns, h: rows, rgba: decode(blurhash, columns, rows) };
  paint("blurhash", blurRaster, aspect);
  paint("thumbhash", thumbhash === null ? null : thumbHashToRGBA(decodeBase64(thumbhash)), aspect);
  const image = /** @type {HTMLImageElement} */ (findElement("thumbnail"));
  /** @type {HTMLElement} */ (image.parentElement).hidden = thumbnail === null;
  if (thumbnail !== null) image.src = thumbnail;
}

/** @param {string} base64 */
function decodeBase64(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/**
 * Draws a raster on a canvas; hides the figure without one.
 *
 * @param {string} id of the canvas
 * @param {{ w: number; h: number; rgba: Uint8Array | Uint8ClampedArray } | null} raster
 * @param {number} aspect width divided by height of the picture; that of the raster is rounded
 */
function paint(id, raster, aspect) {
  const canvas = /** @type {HTMLCanvasElement} */ (findElement(id));
  /** @type {HTMLElement} */ (canvas.parentElement).hidden = raster === null;
  if (raster === null) return;
  canvas.style.aspectRatio = String(aspect);
  canvas.style.maxWidth = `${24 * aspect}rem`; // limits the height to 24rem
  [canvas.width, canvas.height] = [raster.w, raster.h];
  const pixels = new ImageData(Uint8ClampedArray.from(raster.rgba), raster.w, raster.h);
  canvas.getContext("2d")?.putImageData(pixels, 0, 0);
}

/**
 * Shows a button that loads the picture. Loading reveals the IP address of the reader to the host, so it is never automatic.
 *
 * @param {string} type
 * @param {string} pictureUrl
 */
function renderPicture(type, pictureUrl) {
  findElement("picture").hidden = !type.startsWith("image/");
  const load = /** @type {HTMLButtonElement} */ (createElement("button", "Load the picture itself"));
  load.type = "button";
  load.id = "load";
  load.addEventListener("click", () => {
    const image = document.createElement("img");
    image.referrerPolicy = "no-referrer";
    image.alt = "The picture itself";
    image.addEventListener("error", () =>
      findElement("frame").replaceChildren(createElement("p", "The browser could not load the picture.")),
    );
    image.src = pictureUrl;
    findElement("frame").replaceChildren(image);
  });
  findElement("frame").replaceChildren(load);
}

/** @param {Answer} answer */
function renderTimings({ timings, cacheStatus }) {
  const stages = Object.entries(timings);
  findElement("bar").replaceChildren(
    ...stages.map(([stage, took]) => {
      const part = createElement("div", "");
      part.className = stage;
      part.style.flexGrow = String(took);
      return part;
    }),
  );
  findElement("stages").replaceChildren(
    ...stages.map(([stage, took]) => {
      const item = createElement("li", `${stage} ${took} ms`);
      item.className = stage;
      return item;
    }),
  );
  findElement("cache").textContent = `Cache: ${explainCacheStatus(cacheStatus)} (Cache-Status: ${cacheStatus})`;
}
