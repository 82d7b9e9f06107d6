/**
 * Returns the element with an id. The caller knows that the page has it.
 *
 * @param {string} id
 */
export function findElement(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * Creates an element with a text.
 *
 * @param {string} name
 * @param {string} text
 */
export function createElement(name, text) {
  const child = document.createElement(name);
  child.textContent = text;
  return child;
}
