/** What the elements have in common: attributes as properties, where their server is, and how they tell of events. */

export class ElementOptions extends HTMLElement {
  /** Whether completed rows show what came out. */
  get results() {
    return this.hasAttribute("results");
  }

  set results(shown) {
    this.toggleAttribute("results", shown);
  }

  /** The server's URL; empty for the one that this module came from. */
  get server() {
    return this.getAttribute("server") ?? "";
  }

  set server(url) {
    this.setAttribute("server", url);
  }

  /** What was set before the element was defined hides the property. @param {string} name */
  upgrade(name) {
    if (!Object.hasOwn(this, name)) return;
    const self = /** @type {any} */ (this);
    const value = self[name];
    delete self[name];
    self[name] = value;
  }
}

/** The origin of an element's server. @param {ElementOptions} element */
export function originOf(element) {
  return new URL(element.server || import.meta.url, document.baseURI).origin;
}

/** Dispatch an event that pages hear, too. @param {Element} element @param {string} name @param {unknown} [detail] */
export function tell(element, name, detail) {
  element.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
}
