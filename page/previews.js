import { createButton, createElement, findElement } from "./dom.js";
import { explainMissingPreview, kindOf } from "./kind.js";
import { listFacts } from "./facts.js";
import { decode } from "./vendor/blurhash.js";
import { thumbHashToRGBA } from "./vendor/thumbhash.js";

/** @typedef {import("./client/client.js").Metadata} Metadata */

// All boxes have the shape of the picture, within these bounds: a longer picture has margins in its box.
const minAspect = 1;
const maxAspect = 16 / 9;

/**
 * Shows the previews side by side, in boxes of equal shape; a card with the kind of the file if there is none.
 *
 * @param {Metadata} metadata
 * @param {string} pictureUrl
 */
export function renderPreviews(metadata, pictureUrl) {
  const { type, blurhash, thumbhash, thumbnail, width, height } = metadata;
  const aspect = (width ?? 1) / (height ?? 1);
  const boxAspect = Math.min(maxAspect, Math.max(minAspect, aspect));
  findElement("previews").style.setProperty("--aspect", String(boxAspect));
  renderBlurhash(blurhash, aspect);
  renderThumbhash(thumbhash, aspect);
  renderThumbnail(thumbnail, aspect);
  renderPicture(type, pictureUrl, aspect);
  const hasPreview = blurhash !== null || thumbhash !== null || thumbnail !== null;
  findElement("kind").hidden = hasPreview;
  if (!hasPreview) renderKind(metadata);
}

/**
 * Shows or hides the figure around an element.
 *
 * @param {string} id of the element
 * @param {boolean} isShown
 */
function showFigure(id, isShown) {
  /** @type {HTMLElement} */ (findElement(id).closest("figure")).hidden = !isShown;
}

/**
 * @param {string | null} blurhash
 * @param {number} aspect
 */
function renderBlurhash(blurhash, aspect) {
  showFigure("blurhash", blurhash !== null);
  if (blurhash === null) return;
  const columns = 64;
  const rows = Math.max(1, Math.min(256, Math.round(columns / aspect)));
  paint("blurhash", { w: columns, h: rows, rgba: decode(blurhash, columns, rows) }, aspect);
}

/**
 * @param {string | null} thumbhash
 * @param {number} aspect
 */
function renderThumbhash(thumbhash, aspect) {
  showFigure("thumbhash", thumbhash !== null);
  if (thumbhash === null) return;
  const hash = Uint8Array.from(atob(thumbhash), (character) => character.charCodeAt(0));
  paint("thumbhash", thumbHashToRGBA(hash), aspect);
  // Bit 23 of the header: the hash has an alpha channel.
  const hasAlpha = ((hash[2] ?? 0) & 0x80) !== 0;
  findElement("thumbhash").classList.toggle("transparent", hasAlpha);
  findElement("thumbhash-caption").textContent = hasAlpha
    ? `The same in ${hash.length} bytes, with transparency: the checkerboard shows where the picture is transparent.`
    : `The same in ${hash.length} bytes, with the picture's shape in it. It can keep transparency; there is none here.`;
}

/**
 * @param {string | null} thumbnail
 * @param {number} aspect
 */
function renderThumbnail(thumbnail, aspect) {
  showFigure("thumbnail", thumbnail !== null);
  if (thumbnail === null) return;
  const image = /** @type {HTMLImageElement} */ (findElement("thumbnail"));
  image.src = thumbnail;
  fit(image, aspect);
}

/**
 * Gives an element the shape of the picture, and lets it fill its box in one direction. The shape of a small raster is rounded.
 *
 * @param {HTMLElement} element
 * @param {number} aspect
 */
function fit(element, aspect) {
  element.style.aspectRatio = String(aspect);
  element.classList.toggle("tall", aspect < minAspect);
}

/**
 * Draws a raster on a canvas.
 *
 * @param {string} id of the canvas
 * @param {{ w: number; h: number; rgba: Uint8Array | Uint8ClampedArray }} raster
 * @param {number} aspect width divided by height of the picture
 */
function paint(id, raster, aspect) {
  const canvas = /** @type {HTMLCanvasElement} */ (findElement(id));
  fit(canvas, aspect);
  [canvas.width, canvas.height] = [raster.w, raster.h];
  const pixels = new ImageData(Uint8ClampedArray.from(raster.rgba), raster.w, raster.h);
  canvas.getContext("2d")?.putImageData(pixels, 0, 0);
}

/**
 * Shows a button that loads the picture. Loading reveals the IP address of the reader to the host, so it is never automatic.
 *
 * @param {string} type
 * @param {string} pictureUrl
 * @param {number} aspect
 */
function renderPicture(type, pictureUrl, aspect) {
  showFigure("frame", type.startsWith("image/"));
  const load = createButton("Load the picture itself", () => {
    const image = document.createElement("img");
    image.referrerPolicy = "no-referrer";
    image.alt = "The picture itself";
    image.className = "transparent";
    image.addEventListener("error", () =>
      findElement("frame").replaceChildren(
        createElement("p", "The browser cannot show it, or its host did not send it."),
      ),
    );
    fit(image, aspect);
    image.src = pictureUrl;
    findElement("frame").replaceChildren(image);
  });
  load.id = "load";
  findElement("frame").replaceChildren(load);
}

/** @param {Metadata} metadata */
function renderKind(metadata) {
  const { icon, words } = kindOf(metadata.type);
  findElement("kind-icon").setAttribute("href", `#icon-${icon}`);
  findElement("kind-name").textContent = words;
  findElement("kind-facts").textContent = listFacts(metadata)
    .map(([, value]) => value)
    .join(" · ");
  findElement("kind-reason").textContent = explainMissingPreview(metadata);
}
