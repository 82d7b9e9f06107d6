import { createButton, createElement, findElement } from "./dom.js";

/** How long a button says that the text was copied: long enough to read it. */
const confirmationMs = 2000;

/**
 * Copies a text. Pages without TLS have no `navigator.clipboard`, except on this machine.
 *
 * @param {string} text
 * @returns {Promise<boolean>} whether the clipboard has the text
 */
async function copy(text) {
  if (isSecureContext)
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- there is nothing else without TLS
  const isCopied = document.execCommand("copy");
  area.remove();
  return isCopied;
}

/**
 * Creates a button that copies a text. The button and, for screen readers, a status confirm it.
 *
 * @param {string} shown what it copies, if the button's place does not show it
 * @param {string} spoken more of that, for screen readers
 * @param {() => string} read returns the text, at the moment of the click
 */
export function createCopyButton(shown, spoken, read) {
  const button = createButton("", () => void confirm(), "small");
  const label = (/** @type {string} */ verb, /** @type {string} */ object) =>
    button.replaceChildren(`${verb} ${object}`.trim(), createElement("span", ` ${spoken}`, "spoken"));
  const confirm = async () => {
    const verb = (await copy(read())) ? "Copied" : "Not copied";
    button.focus();
    label(verb, "");
    findElement("copied").textContent = `${verb}: ${shown} ${spoken}`;
    setTimeout(() => {
      label("Copy", shown);
      findElement("copied").textContent = "";
    }, confirmationMs);
  };
  label("Copy", shown);
  return button;
}
