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
  renderPreviews(metadata, picture);
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

/**
 * @param {Metadata} metadata
 * @param {string} picture
 */
function renderPreviews({ type, blurhash, thumbhash, width, height }, picture) {
  const aspect = (height ?? 1) / (width ?? 1);
  const columns = 64;
  const rows = Math.max(1, Math.min(256, Math.round(columns * aspect)));
  paint("blurhash", blurhash === null ? null : { width: columns, height: rows, rgba: decode(blurhash, columns, rows) });
  paint("thumbhash", thumbhash === null ? null : rasterOf(thumbhash));

  const figure = element("picture");
  figure.hidden = !type.startsWith("image/");
  figure.querySelector("img")?.remove();
  element("load").hidden = false;
  element("load").onclick = () => {
    const image = document.createElement("img");
    image.referrerPolicy = "no-referrer";
    image.alt = "The picture itself";
    image.onerror = () => image.replaceWith(made("p", "The browser could not load it."));
    image.src = picture;
    element("load").hidden = true;
    figure.prepend(image);
  };
}

/** @param {string} thumbhash base64 */
function rasterOf(thumbhash) {
  const { w, h, rgba } = thumbHashToRGBA(Uint8Array.from(atob(thumbhash), (character) => character.charCodeAt(0)));
  return { width: w, height: h, rgba };
}

/**
 * @param {string} id of the canvas
 * @param {{ width: number; height: number; rgba: Uint8Array | Uint8ClampedArray } | null} raster
 */
function paint(id, raster) {
  const canvas = /** @type {HTMLCanvasElement} */ (element(id));
  /** @type {HTMLElement} */ (canvas.parentElement).hidden = raster === null;
  if (raster === null) return;
  canvas.width = raster.width;
  canvas.height = raster.height;
  const pixels = new ImageData(Uint8ClampedArray.from(raster.rgba), raster.width, raster.height);
  canvas.getContext("2d")?.putImageData(pixels, 0, 0);
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
  element("cache").textContent = `The answer came ${cacheWords(cacheStatus)}. Cache-Status: ${cacheStatus}`;
}
