/** Updates DOM nodes, and only when a value has changed. */

/** @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {HTMLElement} element @param {boolean} hidden */
export function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/**
 * Copy an element's text to the clipboard, or select it where the page may not use the clipboard.
 *
 * @param {HTMLElement} element
 * @returns {Promise<boolean>} whether it was copied
 */
export async function copyText(element) {
  try {
    await navigator.clipboard.writeText(element.textContent ?? "");
    return true;
  } catch {
    getSelection()?.selectAllChildren(element);
    return false;
  }
}

/** Return the page's element with an id; throw if there is none. @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page has no element with the id ${id}.`);
  return element;
}

/** Return the first descendant with a class, which must exist.
 * @param {HTMLElement} root @param {string} className @returns {HTMLElement} */
export function byClass(root, className) {
  return /** @type {HTMLElement} */ (root.querySelector(`.${className}`));
}

/** Return a new element from markup with one root. @param {Markup} markup @returns {HTMLElement} */
export function instantiate({ content }) {
  return /** @type {HTMLElement} */ (content.firstElementChild?.cloneNode(true));
}

/** Markup that is parsed when it is first used, because a server that imports the elements has no document. */
export class Markup {
  #html;
  /** @type {HTMLTemplateElement | null} */ #template = null;

  /** @param {string} html */
  constructor(html) {
    this.#html = html;
  }

  get content() {
    if (!this.#template) {
      this.#template = document.createElement("template");
      this.#template.innerHTML = this.#html;
    }
    return this.#template.content;
  }
}
