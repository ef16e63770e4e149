/** Shows notices beside the place where files are given, and asks whether files are sent again. */

import { Markup, instantiate, setText } from "../shared/dom.js";

/** @typedef {import("../locale/create-locale.js").Locale} Locale */

/** Return the markup of a notice that can be dismissed. @param {string} part @param {string} tone @param {string} role */
const noticeMarkup = (part, tone, role) => `
  <div class="notice" part="${part}" data-tone="${tone}">
    <p role="${role}"></p>
    <button class="button quiet icon" type="button">
      <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
        <path d="M6.5 6.5l11 11M17.5 6.5l-11 11"/>
      </svg>
      <span class="visually-hidden"></span>
    </button>
  </div>`;

const MARKUP = new Markup(`
<div class="notices" part="notices">
  ${noticeMarkup("notice", "info", "status")}
  ${noticeMarkup("problem", "problem", "alert")}
  <div class="question" part="question" role="alertdialog" aria-labelledby="question-text" hidden>
    <p id="question-text"></p>
    <div class="question-buttons">
      <button class="button" id="question-no" part="button" type="button"></button>
      <button class="button primary" id="question-yes" part="button" type="button"></button>
    </div>
  </div>
</div>`);

export class Notices {
  #element;
  #locale;
  /** Resolves when the question before has been answered. @type {Promise<unknown>} */ #answered = Promise.resolve();

  /** @param {HTMLElement} parent   Gets the notices as its content. @param {() => Locale} locale   The current one. */
  constructor(parent, locale) {
    this.#element = instantiate(MARKUP);
    this.#locale = locale;
    for (const notice of this.#element.querySelectorAll(".notice")) {
      this.#button(notice).addEventListener("click", () => this.#set(notice, ""));
    }
    parent.replaceChildren(this.#element);
  }

  /** Show a text until it is dismissed or replaced; screen readers read it when they can.
   * @param {string} text   Empty for none. */
  inform(text) {
    this.#set(this.#child(".notice[data-tone=info]"), text);
  }

  /** Show a problem until it is dismissed or replaced; screen readers read it at once. @param {string} text */
  warn(text) {
    this.#set(this.#child(".notice[data-tone=problem]"), text);
  }

  /** Remove both notices. */
  clear() {
    this.inform("");
    this.warn("");
  }

  /**
   * Ask a question with two answers, after those that were asked before. The focus moves to it, and back afterwards.
   *
   * @param {string} text @param {string} no   Also the answer of the Escape key. @param {string} yes
   * @returns {Promise<boolean>}
   */
  ask(text, no, yes) {
    const answer = this.#answered.then(() => this.#ask(text, no, yes));
    this.#answered = answer;
    return answer;
  }

  /** @param {string} text @param {string} no @param {string} yes @returns {Promise<boolean>} */
  #ask(text, no, yes) {
    const question = this.#child(".question");
    const before = document.activeElement?.shadowRoot?.activeElement ?? document.activeElement;
    setText(this.#child("#question-text"), text);
    setText(this.#child("#question-no"), no);
    setText(this.#child("#question-yes"), yes);
    question.hidden = false;
    question.scrollIntoView({ block: "nearest" });
    this.#child("#question-no").focus();
    return new Promise((resolve) => {
      const listeners = new AbortController();
      const { signal } = listeners;
      const settle = (/** @type {boolean} */ answer) => {
        listeners.abort();
        const hadFocus = question.matches(":focus-within");
        question.hidden = true;
        if (hadFocus && before instanceof HTMLElement) before.focus();
        resolve(answer);
      };
      this.#child("#question-no").addEventListener("click", () => settle(false), { signal });
      this.#child("#question-yes").addEventListener("click", () => settle(true), { signal });
      question.addEventListener("keydown", (event) => event.key === "Escape" && settle(false), { signal });
    });
  }

  /** @param {Element} notice @param {string} text */
  #set(notice, text) {
    setText(/** @type {Element} */ (notice.querySelector("p")), text);
    const button = this.#button(notice);
    setText(/** @type {Element} */ (button.lastElementChild), this.#locale().dismiss);
    if (!text && button.matches(":focus")) button.blur();
    notice.classList.toggle("filled", text !== "");
  }

  /** @param {Element} notice */
  #button(notice) {
    return /** @type {HTMLElement} */ (notice.querySelector("button"));
  }

  /** @param {string} selector @returns {HTMLElement} */
  #child(selector) {
    return /** @type {HTMLElement} */ (this.#element.querySelector(selector));
  }
}
