// @ts-check
/**
 * Converse.js plugin: previews of posted files from the metadata that media-oracle's Prosody modules add to messages.
 *
 * The preview has the shape, type and size of the file. The browser sends no request to the file's host until the reader
 * clicks on it, except for hosts in the setting `media_metadata_load_from`.
 *
 * All metadata is untrusted: a sender may have written it in a room without the module. It is only drawn, within bounds.
 */

/**
 * @typedef {object} Media
 * @property {string} url
 * @property {string} type
 * @property {number | null} bytes
 * @property {number | null} width in pixels
 * @property {number | null} height in pixels
 * @property {string | null} blurhash 4 x 3 components
 */

/** Calls of Converse's API that the plugin uses. @typedef {any} Converse */

const outOfBand = "jabber:x:oob";
const metadata = "xmpp:prosody.im/protocol/media-metadata#0";

const maxSide = 2 ** 31 - 1;
const maxUrlCharacters = 8192;
const base83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

/** Returns a child by name and namespace. @param {Element | null} parent @param {string} name @param {string} namespace */
function childOf(parent, name, namespace) {
  return [...(parent?.children ?? [])].find(
    ({ localName, namespaceURI }) => localName === name && namespaceURI === namespace,
  );
}

/** @param {Element} parent @param {string} name */
function textOf(parent, name) {
  return childOf(parent, name, metadata)?.textContent?.trim() ?? null;
}

/** @param {Element} parent @param {string} name @param {number} most */
function numberOf(parent, name, most) {
  const text = textOf(parent, name) ?? "";
  const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return number <= most ? number : null;
}

/**
 * Reads the metadata of the first file in a message, live or from the archive (XEP-0313); null if it has none.
 *
 * @param {Element} stanza
 * @returns {Media | null}
 */
function mediaOf(stanza) {
  const message = stanza.querySelector("result > forwarded > message") ?? stanza;
  for (const x of message.children) {
    if (x.localName !== "x" || x.namespaceURI !== outOfBand) continue;
    const url = childOf(x, "url", outOfBand)?.textContent?.trim() ?? "";
    const element = childOf(x, "metadata", metadata);
    const type = element && textOf(element, "type");
    if (!type || !/^[a-z0-9.+-]{1,60}\/[a-z0-9.+-]{1,80}$/.test(type) || !isWebUrl(url)) continue;
    const blurhash = textOf(element, "blurhash") ?? "";
    const [width, height] = [numberOf(element, "width", maxSide), numberOf(element, "height", maxSide)];
    return {
      url,
      type,
      bytes: numberOf(element, "bytes", Number.MAX_SAFE_INTEGER),
      width: width && height ? width : null,
      height: width && height ? height : null,
      blurhash: blurhash.length === 28 && [...blurhash].every((digit) => base83.includes(digit)) ? blurhash : null,
    };
  }
  return null;
}

/** @param {string} url */
function isWebUrl(url) {
  return url.length <= maxUrlCharacters && /^https?:\/\//i.test(url) && URL.canParse(url);
}

/** @param {string} digits */
function decode83(digits) {
  return [...digits].reduce((value, digit) => value * 83 + base83.indexOf(digit), 0);
}

/** @param {number} value 0 to 255, sRGB */
function toLinear(value) {
  const share = value / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

/** @param {number} value linear, 0 to 1 */
function toSrgb(value) {
  const share = Math.max(0, Math.min(1, value));
  return Math.round(255 * (share <= 0.0031308 ? share * 12.92 : 1.055 * share ** (1 / 2.4) - 0.055));
}

/**
 * Draws a BlurHash of 4 x 3 components (https://github.com/woltapp/blurhash/blob/master/Algorithm.md).
 *
 * @param {string} hash 28 characters of base 83
 * @param {HTMLCanvasElement} canvas
 */
function drawBlurhash(hash, canvas) {
  const columns = 4;
  const most = (decode83(hash.slice(1, 2)) + 1) / 166;
  const average = decode83(hash.slice(2, 6));
  const colours = [[average >> 16, (average >> 8) & 255, average & 255].map(toLinear)];
  for (let at = 6; at < hash.length; at += 2) {
    const value = decode83(hash.slice(at, at + 2));
    const parts = [Math.floor(value / 361), Math.floor(value / 19) % 19, value % 19];
    colours.push(parts.map((part) => Math.sign(part - 9) * ((part - 9) / 9) ** 2 * most));
  }
  const { width, height } = canvas;
  const image = new ImageData(width, height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const sum = [0, 0, 0];
      colours.forEach((colour, index) => {
        const [column, row] = [index % columns, Math.floor(index / columns)];
        const basis = Math.cos((Math.PI * x * column) / width) * Math.cos((Math.PI * y * row) / height);
        colour.forEach((part, channel) => (sum[channel] = (sum[channel] ?? 0) + part * basis));
      });
      image.data.set([...sum.map(toSrgb), 255], 4 * (y * width + x));
    }
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

/** @param {number} bytes */
function formatBytes(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toPrecision(3)} ${units[power]}`;
}

/** The name of a file: the last segment of its URL. @param {string} url */
function nameOf(url) {
  const { pathname, hostname } = new URL(url);
  const last = pathname.split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(last) || hostname;
  } catch {
    return last;
  }
}

const style = `
  :host { display: block; max-width: 100%; }
  figure { margin: 0.25em 0; }
  .box { position: relative; display: block; box-sizing: border-box; max-width: 100%; padding: 0; border: 0; border-radius: 0.4em;
    overflow: hidden; background: #8884; color: inherit; font: inherit; cursor: pointer; }
  .box > * { position: absolute; inset: 0; width: 100%; height: 100%; }
  .box:focus-visible, a:focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
  img, video { object-fit: contain; }
  .label { display: grid; place-content: center; }
  .label span { padding: 0.3em 0.8em; border-radius: 2em; background: #000b; color: #fff; }
  audio { display: block; width: 100%; max-width: 30em; }
  figcaption { font-size: 0.85em; overflow-wrap: anywhere; }
  a { color: inherit; }
`;

const longestSide = { width: 24, height: 20 }; // em
const flattest = 8; // of the sides: a strip of one pixel could not be clicked

/** The preview of a file. Its property `media` must be set before it is connected; it renders once. */
class MediaPreview extends HTMLElement {
  /** @type {Media | null} */
  media = null;
  /** Hosts whose files are loaded without a click. @type {readonly string[]} */
  loadFrom = [];

  connectedCallback() {
    if (!this.media || this.shadowRoot) return;
    const { url } = this.media;
    const root = this.attachShadow({ mode: "open" });
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const link = document.createElement("a");
    Object.assign(link, { href: url, target: "_blank", rel: "noopener noreferrer", textContent: nameOf(url) });
    caption.append(link, ` (${this.describe()})`);
    const box = this.createBox();
    figure.append(...(box ? [box] : []), caption);
    root.append(Object.assign(document.createElement("style"), { textContent: style }), figure);
    if (box && this.loadFrom.includes(new URL(url).hostname)) this.load(box);
  }

  describe() {
    const { type, bytes, width, height } = /** @type {Media} */ (this.media);
    return [type, bytes === null ? null : formatBytes(bytes), width && height ? `${width} × ${height}` : null]
      .filter(Boolean)
      .join(", ");
  }

  get kind() {
    return this.media?.type.split("/")[0];
  }

  /** The button in the shape of the picture; null if the browser shows no such file. */
  createBox() {
    const { url, width, height, blurhash } = /** @type {Media} */ (this.media);
    if (!["image", "video", "audio"].includes(this.kind ?? "")) return null;
    const box = document.createElement("button");
    box.type = "button";
    box.className = "box";
    box.setAttribute("aria-label", `Load ${nameOf(url)}, ${this.describe()}`);
    const ratio = width && height ? Math.max(1 / flattest, Math.min(flattest, width / height)) : flattest;
    box.style.width = `${Math.min(longestSide.width, longestSide.height * ratio)}em`;
    box.style.aspectRatio = String(ratio);
    if (blurhash !== null) {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [32, 32];
      drawBlurhash(blurhash, canvas);
      box.append(canvas);
    }
    const label = document.createElement("span");
    label.className = "label";
    label.append(Object.assign(document.createElement("span"), { textContent: "Load" }));
    box.append(label);
    box.addEventListener("click", () => this.load(box));
    return box;
  }

  /** Replaces the button by the file, in the same place and shape. @param {HTMLElement} box */
  load(box) {
    const { url } = /** @type {Media} */ (this.media);
    const frame = document.createElement("div");
    frame.className = box.className;
    frame.style.cssText = box.style.cssText;
    frame.style.cursor = "auto";
    frame.tabIndex = -1;
    const file = this.createFile();
    file.addEventListener("error", () => {
      frame.replaceChildren(
        Object.assign(document.createElement("p"), { textContent: `${nameOf(url)} could not be loaded.` }),
      );
    });
    file.setAttribute("src", url);
    frame.append(...[...box.querySelectorAll("canvas")], file);
    const hadFocus = this.shadowRoot?.activeElement === box;
    box.replaceWith(frame);
    if (hadFocus) frame.focus();
  }

  createFile() {
    const { url } = /** @type {Media} */ (this.media);
    if (this.kind === "image") {
      return Object.assign(document.createElement("img"), { alt: nameOf(url), referrerPolicy: "no-referrer" });
    }
    const player = document.createElement(this.kind === "audio" ? "audio" : "video");
    return Object.assign(player, { controls: true, preload: "metadata" });
  }
}

/** @param {Converse} converse the global of Converse.js */
export function register(converse) {
  if (!customElements.get("media-metadata-preview")) customElements.define("media-metadata-preview", MediaPreview);
  converse.plugins.add("media-metadata", {
    dependencies: ["converse-chatview", "converse-muc-views"],
    /** @this {Converse} */
    initialize() {
      const { api } = this._converse;
      const { html } = converse.env;
      api.settings.extend({ media_metadata_load_from: [] });

      // Kept with the message, so that Converse's own store has it too.
      const keep = (/** @type {Element} */ stanza, /** @type {object} */ attributes) => {
        const media = mediaOf(stanza);
        return media ? { ...attributes, media_metadata: media } : attributes;
      };
      api.listen.on("parseMUCMessage", keep);
      api.listen.on("parseMessage", keep);

      const preview = (/** @type {Media} */ media) =>
        html`<media-metadata-preview
          .media=${media}
          .loadFrom=${api.settings.get("media_metadata_load_from")}
        ></media-metadata-preview>`;

      /** The media of a message whose text or attachment is its URL. A correction may have removed it. */
      const shown = (/** @type {Converse} */ model, /** @type {string} */ text) => {
        const media = model?.get("media_metadata");
        return media && text.includes(media.url) ? media : null;
      };

      replaceRender("converse-chat-message-body", (render, element) => {
        const media = shown(element.model, element.text ?? "");
        if (!media) return render(element);
        if (element.text.trim() === media.url) return preview(media);
        // The URL stays a link in its text; the attachment behind the text has the preview.
        return render(Object.create(element, { hide_url_previews: { value: "true" } }));
      });
      replaceRender("converse-texture", (render, element) => {
        const model = element.parentElement?.matches(".chat-msg__media")
          ? element.closest("converse-chat-message")?.model
          : null;
        const media = shown(model, element.text ?? "");
        return media ? preview(media) : render(element);
      });
    },
  });
}

/**
 * Replaces the `render` method of an element of Converse, which has no hook for it.
 *
 * @param {string} name
 * @param {(render: (element: Converse) => unknown, element: Converse) => unknown} renderInstead
 */
function replaceRender(name, renderInstead) {
  void customElements.whenDefined(name).then((constructor) => {
    const { prototype } = /** @type {Converse} */ (constructor);
    const render = prototype.render;
    prototype.render = function () {
      return renderInstead((element) => render.call(element), this);
    };
  });
}

const { converse } = /** @type {Converse} */ (globalThis);
if (converse) register(converse);
else addEventListener("converse-loaded", (/** @type {any} */ event) => register(event.detail.converse));
