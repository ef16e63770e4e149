/** The attributes of `<upload-progress-list>` as properties. */

import { UploadElement } from "./upload-element.js";

const AUTO_CLOSE_MS = 3_000;
const AUTO_HIDE_MS = 5_000;

export class ListOptions extends UploadElement {
  static observedAttributes = ["max-items", "mode", "auto-close", "auto-hide", "results", "server"];

  /** The maximum number of rows shown at once; null for all. @returns {number | null} */
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

  /** Milliseconds until the dialog closes; null for never. @returns {number | null} */
  get autoClose() {
    return this.#number("auto-close", AUTO_CLOSE_MS);
  }

  set autoClose(milliseconds) {
    this.#reflect("auto-close", milliseconds);
  }

  /** Milliseconds until a completed row is removed; null for never. @returns {number | null} */
  get autoHide() {
    return this.#number("auto-hide", AUTO_HIDE_MS);
  }

  set autoHide(milliseconds) {
    this.#reflect("auto-hide", milliseconds);
  }

  /** @param {string} name @param {number | null} fallback   For an empty or invalid value. */
  #number(name, fallback) {
    const text = this.getAttribute(name);
    if (text === null) return null;
    const number = Number(text);
    return text.trim() === "" || !(number >= 0) ? fallback : number;
  }

  /** @param {string} name @param {number | null} number */
  #reflect(name, number) {
    if (number === null) this.removeAttribute(name);
    else this.setAttribute(name, String(number));
  }
}
