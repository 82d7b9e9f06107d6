/**
 * The element of the page that has this id.
 *
 * @param {string} id
 */
export function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * A new element with a text.
 *
 * @param {string} name
 * @param {string} text
 */
export function made(name, text) {
  const child = document.createElement(name);
  child.textContent = text;
  return child;
}
