/** The upload list's attributes as properties. */

import { ElementOptions } from "./element-options.js";

const CLOSE_MS = 3_000;
const HIDE_MS = 5_000;

export class ListOptions extends ElementOptions {
  static observedAttributes = ["max-items", "mode", "auto-close", "auto-hide", "results", "server"];

  /** How many rows are shown at once; null for all. @returns {number | null} */
  get maxItems() {
    return this.#number("max-items", null);
  }

  set maxItems(count) {
    this.#reflect("max-items", count);
  }

  /** @returns {"list" | "dialog"} */
  get mode() {
    return this.getAttribute("mode") === "dialog" ? "dialog" : "list";
  }

  set mode(mode) {
    this.setAttribute("mode", mode);
  }

  /** Milliseconds, or null. @returns {number | null} */
  get autoClose() {
    return this.#number("auto-close", CLOSE_MS);
  }

  set autoClose(milliseconds) {
    this.#reflect("auto-close", milliseconds);
  }

  /** Milliseconds, or null. @returns {number | null} */
  get autoHide() {
    return this.#number("auto-hide", HIDE_MS);
  }

  set autoHide(milliseconds) {
    this.#reflect("auto-hide", milliseconds);
  }

  /** @param {string} name @param {number | null} otherwise   Without a value, or with one that is no number. */
  #number(name, otherwise) {
    const text = this.getAttribute(name);
    if (text === null) return null;
    const number = Number(text);
    return text.trim() === "" || !(number >= 0) ? otherwise : number;
  }

  /** @param {string} name @param {number | null} number */
  #reflect(name, number) {
    if (number === null) this.removeAttribute(name);
    else this.setAttribute(name, String(number));
  }
}
