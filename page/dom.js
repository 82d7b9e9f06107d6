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
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {string} text
 * @param {string} className
 */
export function createElement(name, text, className = "") {
  const child = document.createElement(name);
  child.textContent = text;
  child.className = className;
  return child;
}

/**
 * Creates a button that runs an action.
 *
 * @param {string} text
 * @param {() => void} action
 * @param {string} className
 */
export function createButton(text, action, className = "") {
  const button = createElement("button", text, className);
  button.type = "button";
  button.addEventListener("click", action);
  return button;
}
