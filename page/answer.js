import { cacheWords, sizeWords } from "./client/words.js";
import { element, made } from "./dom.js";
import { warnings } from "./domain/metadata.js";
import { showForms } from "./forms.js";
import { decode } from "./vendor/blurhash.js";
import { thumbHashToRGBA } from "./vendor/thumbhash.js";

/** @typedef {import("./client/client.js").Answer} Answer */
/** @typedef {import("./client/client.js").Metadata} Metadata */

/**
 * Shows all that is known.
 *
 * @param {Answer} answer
 * @param {string} picture where it is loaded from, if somebody wants to see it
 * @param {string} note empty where there is nothing to say
 * @param {boolean} needsToken whether programs would need one
 */
export function showAnswer(answer, picture, note, needsToken) {
  const { metadata } = answer;
  element("answer").hidden = false;
  element("answer-title").textContent = metadata.filename ?? metadata.url;
  element("note").hidden = note === "";
  element("note").textContent = note;
  renderFields(metadata);
  renderPreviews(metadata);
  renderPicture(metadata.type, picture);
  renderTimings(answer);
  showForms(metadata, needsToken);
  element("answer-title").focus();
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
        : `${sizeWords(bytes)} (${bytes} bytes, ${bytesSource === "counted" ? "counted" : "as the host says"})`,
    Pixels: width === null || height === null ? null : `${width} × ${height}`,
    Duration: durationMs === null ? null : `${durationMs / 1000} s`,
    BlurHash: metadata.blurhash,
    ThumbHash: metadata.thumbhash,
    "SHA-256": metadata.sha256,
    Partial: metadata.partial ? "The deadline came first: ask again for the rest." : null,
    Warnings: metadata.warnings.map((code) => `${code}: ${warnings[code]}`).join("; ") || null,
  };
  element("fields").replaceChildren(
    ...Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [made("dt", name), made("dd", value)])),
  );
}

/** @param {Metadata} metadata */
function renderPreviews({ blurhash, thumbhash, width, height }) {
  const aspect = (width ?? 1) / (height ?? 1);
  const columns = 64;
  const rows = Math.max(1, Math.min(256, Math.round(columns / aspect)));
  const blurred = blurhash === null ? null : { w: columns, h: rows, rgba: decode(blurhash, columns, rows) };
  paint("blurhash", blurred, aspect);
  paint("thumbhash", thumbhash === null ? null : thumbHashToRGBA(bytesOf(thumbhash)), aspect);
}

/** @param {string} base64 */
function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/**
 * @param {string} id of the canvas
 * @param {{ w: number; h: number; rgba: Uint8Array | Uint8ClampedArray } | null} raster
 * @param {number} aspect of the picture: that of the raster is rounded
 */
function paint(id, raster, aspect) {
  const canvas = /** @type {HTMLCanvasElement} */ (element(id));
  /** @type {HTMLElement} */ (canvas.parentElement).hidden = raster === null;
  if (raster === null) return;
  canvas.style.aspectRatio = String(aspect);
  canvas.style.maxWidth = `${24 * aspect}rem`; // so that nothing is higher than a screen
  [canvas.width, canvas.height] = [raster.w, raster.h];
  const pixels = new ImageData(Uint8ClampedArray.from(raster.rgba), raster.w, raster.h);
  canvas.getContext("2d")?.putImageData(pixels, 0, 0);
}

/**
 * Offers to load the picture. Not by itself: its host would see who looks.
 *
 * @param {string} type
 * @param {string} picture where it is loaded from
 */
function renderPicture(type, picture) {
  element("picture").hidden = !type.startsWith("image/");
  const load = /** @type {HTMLButtonElement} */ (made("button", "Load the picture itself"));
  load.type = "button";
  load.id = "load";
  load.addEventListener("click", () => {
    const image = document.createElement("img");
    image.referrerPolicy = "no-referrer";
    image.alt = "The picture itself";
    image.addEventListener("error", () =>
      element("frame").replaceChildren(made("p", "The browser could not load it.")),
    );
    image.src = picture;
    element("frame").replaceChildren(image);
  });
  element("frame").replaceChildren(load);
}

/** @param {Answer} answer */
function renderTimings({ timings, cacheStatus }) {
  const stages = Object.entries(timings);
  element("bar").replaceChildren(
    ...stages.map(([stage, took]) => {
      const part = made("div", "");
      part.className = stage;
      part.style.flexGrow = String(took);
      return part;
    }),
  );
  element("stages").replaceChildren(
    ...stages.map(([stage, took]) => {
      const item = made("li", `${stage} ${took} ms`);
      item.className = stage;
      return item;
    }),
  );
  element("cache").textContent = `How it was come by: ${cacheWords(cacheStatus)} (Cache-Status: ${cacheStatus})`;
}
